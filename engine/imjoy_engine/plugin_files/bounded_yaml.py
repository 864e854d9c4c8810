"""A reader of YAML whose time and memory are in proportion to the length of the text."""

from __future__ import annotations

import yaml

MAX_VALUE_CHARACTERS = 64
"""Of a number, a date or a truth value. Longer text is text: ``1:1:1:1…`` would be a number to the base of 60."""
MAX_DEPTH = 100
"""Of lists and mappings in one another: each token costs as much time as there are levels."""
MAX_MERGED = 10_000
"""Entries that ``<<`` may copy: merged mappings that are merged again double each time."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe reader with bounds; raises ``yaml.YAMLError`` where they are passed."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._merged = 0

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Begin a list or a mapping in brackets."""
        self._check_depth()
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        """Begin a list or a mapping by its indent, when it is one."""
        self._check_depth()
        deeper: bool = super().add_indent(column)
        return deeper

    def _check_depth(self) -> None:
        if self.flow_level + len(self.indents) > MAX_DEPTH:
            problem = f"it is nested more than {MAX_DEPTH} deep"
            raise yaml.scanner.ScannerError(None, None, problem, self.get_mark())

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:
        """Return the tag of a value that names none."""
        if kind is yaml.ScalarNode and value is not None and len(value) > MAX_VALUE_CHARACTERS:
            return str(self.DEFAULT_SCALAR_TAG)
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return tag

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """Return what a node stands for."""
        is_text = node.tag == self.DEFAULT_SCALAR_TAG
        if isinstance(node, yaml.ScalarNode) and not is_text and len(node.value) > MAX_VALUE_CHARACTERS:
            problem = f"a value of this kind has at most {MAX_VALUE_CHARACTERS} characters"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_object(node, deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what ``<<`` names in the place of it."""
        before = len(node.value)
        super().flatten_mapping(node)
        self._merged += max(0, len(node.value) - before)
        if self._merged > MAX_MERGED:
            problem = f"<< copies more than {MAX_MERGED:,} entries"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
