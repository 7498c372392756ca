"""Gets the library that draws the pages' pictures, once, for ``make docs``: one release, to the hash, by npm.

Without npm the pages' pictures are drawn by the copy that the theme takes from the web when a page is looked at.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "mermaid@11.17.2"  # what the theme is made for: version 11
SHA512 = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
SCRIPT = ROOT / ".venvs" / "docs" / f"{RELEASE}.min.js"


class NotFetched(Exception):
    """Why it could not be had."""


def fetch(release: str, sha512: str, target: Path) -> None:
    """Have the release's script at `target`; raises NotFetched. Its archive, 18 MB, is gone afterwards."""
    npm = shutil.which("npm")
    if npm is None:
        message = "npm is not on this machine"
        raise NotFetched(message)
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", release, "--silent", "--ignore-scripts", "--pack-destination", folder]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=folder
        )
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise NotFetched((done.stderr.strip().splitlines() or ["npm gave no archive"])[-1])
        digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if digest != sha512:
            message = f"{release} is not the one that was looked at: its sha512 is {digest}"
            raise NotFetched(message)
        with tarfile.open(archives[0]) as archive:
            script = archive.extractfile("package/dist/mermaid.min.js")
            if script is None:
                message = f"{release} has no dist/mermaid.min.js"
                raise NotFetched(message)
            part = target.with_suffix(".part")
            part.write_bytes(script.read())
            part.replace(target)


def main() -> int:
    """Get it if it is not there. Not to have it is said, and does not fail."""
    if not SCRIPT.exists():
        try:
            fetch(RELEASE, SHA512, SCRIPT)
        except NotFetched as error:
            print(f"docs: pictures will be drawn by a script from the web: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
