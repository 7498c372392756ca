"""Authorities and certificates for tests, made by `openssl`."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that signs: ``file`` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self.file, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        self._openssl(
            *("req", "-x509", "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=keyCertSign"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", self._key, "-out", self.file),
        )

    def sign(self, name: str, subject: str, days: int = 2) -> Certificate:
        """A certificate for a subject such as `IP:127.0.0.1`; with no days it has expired on return."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject}\n")
        self._openssl(
            *("req", "-subj", f"/CN={name}", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", made.key, "-out", request),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-set_serial", "2"),
            *("-days", str(days), "-extfile", extensions, "-out", made.certificate),
        )
        if days == 0:
            time.sleep(1.1)
        return made

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
