# For `brew install`: the release workflow writes url and sha256 of the tag that was made, and uploads this beside it.
class Imjoy < Formula
  include Language::Python::Virtualenv

  desc "Runs native Python plugins for the ImJoy app"
  homepage "https://github.com/oeway/ImJoy-Engine"
  url "https://github.com/oeway/ImJoy-Engine/archive/refs/tags/v0.12.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "python@3.13"

  # The libraries in wheels have no room in their headers for the longer names that Homebrew would give them.
  preserve_rpath

  # What imjoy needs comes as wheels: py-rattler and uv, built from source, would want Rust and an hour.
  def install
    virtualenv_create(libexec, "python3.13")
    system "python3.13", "-m", "pip", "--python=#{libexec}/bin/python", "install", buildpath
    bin.install_symlink libexec/"bin/imjoy"
  end

  def caveats
    <<~EOS
      Plugins and their environments go into ~/ImJoyWorkspace, which an uninstall leaves.
      To open the app: imjoy start
    EOS
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/imjoy --version")
    (testpath/"Two.imjoy.html").write <<~EOS
      <config lang="json">{"name": "Two", "type": "native-python", "requirements": []}</config>
      <script lang="python">
      from imjoy import api
      api.export({"run": lambda ctx: 1 + 1})
      </script>
    EOS
    output = shell_output("#{bin}/imjoy run --env host --workspace #{testpath}/work Two.imjoy.html")
    assert_equal "2", output.strip
  end
end
