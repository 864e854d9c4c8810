"""Puts the commands of a prefix on the PATH of a shell: by telling how, or by a marked block that can be taken back."""
