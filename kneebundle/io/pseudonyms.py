"""Names in place of paths and of DICOM identities, made with a salt that does not lie beside the results.

Each name is the HMAC-SHA256 of what it stands for under 32 random bytes, the salt: whoever has the results and not the
salt can neither find out a path, a UID or a number of a patient, nor test a guess. The same salt gives the same names,
so that a run can be resumed and several output folders can be joined.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from kneebundle.errors import KneeBundleError
from kneebundle.io.file_content import check_regular, list_parts
from kneebundle.io.folder_lock import read_mark
from kneebundle.io.paths import find_settings_folder, identify_path, show_path
from kneebundle.io.writing import write_atomically

__all__ = ["Pseudonyms", "open_account_pseudonyms", "open_pseudonyms"]

_SALT_BYTES = 32
_NAME_DIGITS = 20
_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){4,}(?![\w.])")
_STANDARD_UIDS = "1.2.840.10008."
_QUOTED_FILE = re.compile(r"(['\"])[^'\"]*\.[A-Za-z][^'\"]*\1")
_LEAST_WORD = 3
SETTING = "deidentified"
"""What a mark of a folder with pseudonyms says which salt it was made with."""


class Pseudonyms:
    """Pseudonyms of one salt.

    Args:
        salt: secret bytes.

    Example:
        >>> names = Pseudonyms(bytes(32))
        >>> names.name_path("/films/DOE_JANE/knee.dcm") == names.name_path("/films/DOE_JANE/../DOE_JANE/knee.dcm")
        True
        >>> names.name_uid("1.2.3") == names.name_uid("1.2.3") != names.name_uid("1.2.4")
        True
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    @property
    def mark(self) -> str:
        """By which the salt is known again; it does not tell the salt."""
        return self.digest("salt", b"")[:_NAME_DIGITS]

    def digest(self, kind: str, content: bytes | str) -> str:
        """The whole pseudonym, 64 hexadecimal digits; different kinds give different ones."""
        raw = os.fsencode(content) if isinstance(content, str) else content
        return hmac.new(self._salt, kind.encode() + b"\0" + raw, hashlib.sha256).hexdigest()

    def name_path(self, path: str | Path) -> str:
        """The pseudonym of a file, by its absolute path without links."""
        return self.digest("path", identify_path(path)[1])[:_NAME_DIGITS]

    def name_patient(self, patient_id: str) -> str:
        """The pseudonym of a patient; none for none."""
        return self.digest("patient", patient_id.strip())[:_NAME_DIGITS] if patient_id.strip() else ""

    def name_uid(self, uid: str) -> str:
        """A valid UID (below the root 2.25) in place of another one."""
        return f"2.25.{int(self.digest('uid', str(uid).strip())[:32], 16)}"

    def clean(self, text: str, file: Path) -> str:
        """Take a file's name, its folders and all UIDs out of a line about it."""
        known = identify_path(file)
        shown = {show_path(path) for path in (*known, *map(str, list_parts(file)))}
        folders = {show_path(Path(path).parent) for path in known}
        words = {word for path in known for word in Path(show_path(path)).parts}
        words |= {show_path(part.name) for part in list_parts(file)} | {Path(show_path(known[0])).stem}
        for known_text in sorted({*shown, *folders}, key=len, reverse=True):
            if len(known_text) > 1:
                text = text.replace(known_text, "[file]")
        for word in sorted(words, key=len, reverse=True):
            if len(word) >= _LEAST_WORD:
                text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "[name]", text)
        text = _QUOTED_FILE.sub("[name]", text)
        return _UID.sub(lambda found: self._replace_uid(found[0]), text)

    def _replace_uid(self, uid: str) -> str:
        return uid if uid.startswith(_STANDARD_UIDS) else self.name_uid(uid)


def open_pseudonyms(folder: Path, deidentify: bool, salt_file: Path | None = None) -> Pseudonyms | None:
    """Open the pseudonyms of an output folder, or make new ones for a folder that has no results yet.

    The salt lies in ``salt_file`` or, where none is given, in the settings of this account, under a name that the
    folder keeps. It never lies in the folder.

    Args:
        folder: the output folder.
        deidentify: whether pseudonyms are wanted.
        salt_file: with the salt; it is made if it is not there.

    Returns:
        None where they are not wanted.

    Raises:
        KneeBundleError: if the results in the folder have been made the other way or with another salt, the salt is no
            longer there, cannot be written, or would lie in the folder.
    """
    mark = read_mark(folder)
    known = None if mark is None else (mark.get("settings") or {}).get(SETTING)
    if mark is not None and (known is not None) != deidentify:
        kind = "paths" if deidentify else "pseudonyms"
        raise KneeBundleError(f"its results are under {kind}, and those of this call would not be", folder, "output")
    if not deidentify:
        return None
    if salt_file is not None and Path(identify_path(salt_file)[1]).is_relative_to(identify_path(folder)[1]):
        raise KneeBundleError("the salt must not lie in the output folder, which may be given away", salt_file, "salt")
    if known is None:
        if salt_file is not None and os.path.lexists(salt_file):
            return _read_salt(salt_file)
        return _make_salt(salt_file)
    place = salt_file or _place_salt(str(known))
    if not place.is_file():
        raise KneeBundleError("the salt of its pseudonyms is not on this account", folder, "salt")
    pseudonyms = _read_salt(place)
    if pseudonyms.mark != known:
        raise KneeBundleError("the pseudonyms in this folder were made with another salt", folder, "salt")
    return pseudonyms


def open_account_pseudonyms() -> Pseudonyms:
    """Open the pseudonyms of this account, which stay the same; where its settings cannot be written, new ones."""
    place = find_settings_folder() / "salts" / "account"
    try:
        return _read_salt(place) if place.is_file() else _make_salt(place)
    except KneeBundleError:
        return Pseudonyms(secrets.token_bytes(_SALT_BYTES))


def _place_salt(mark: str) -> Path:
    if not re.fullmatch(rf"[0-9a-f]{{{_NAME_DIGITS}}}", mark):
        raise KneeBundleError("the folder does not say with which salt its pseudonyms were made", field="salt")
    return find_settings_folder() / "salts" / mark


def _read_salt(path: Path) -> Pseudonyms:
    check_regular(path)
    try:
        text = path.read_text(encoding="ascii").strip()
        salt = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or f"{2 * _SALT_BYTES} hexadecimal digits are needed"
        raise KneeBundleError(f"the salt cannot be read ({said})", path, "salt") from error
    if len(salt) != _SALT_BYTES:
        raise KneeBundleError(f"this is no salt; {2 * _SALT_BYTES} random hexadecimal digits are needed", path, "salt")
    return Pseudonyms(salt)


def _make_salt(path: Path | None) -> Pseudonyms:
    salt = secrets.token_bytes(_SALT_BYTES)
    pseudonyms = Pseudonyms(salt)
    place = path or _place_salt(pseudonyms.mark)
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with write_atomically(place) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text(f"{salt.hex()}\n", encoding="ascii")
    except OSError as error:
        raise KneeBundleError(f"the salt cannot be written ({error.strerror})", place, "salt") from error
    return pseudonyms
