"""What our random dictionary transforms share: keys, a probability, and the same change to each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

__all__ = ["RandomMapTransform"]


class RandomMapTransform(RandomizableTransform, MapTransform):
    """Apply a change to every key, or to none, by chance.

    A subclass overrides :meth:`apply` and, if it draws more than whether to act, ``randomize``. One that does more than
    change key after key overrides ``__call__``. MONAI's RandLambdad does the same for a function, but turns what it
    does not change into a MetaTensor with a trace, too.

    Args:
        keys: of what is changed.
        prob: of the change.
        allow_missing_keys: do not raise where a key is missing.

    Example:
        >>> class RandDoubled(RandomMapTransform):
        ...     def apply(self, value):
        ...         return 2 * value
        >>> RandDoubled(keys=["a", "b"], prob=1.0)({"a": 1, "b": 2, "c": 3})
        {'a': 2, 'b': 4, 'c': 3}
    """

    def __init__(self, keys: KeysCollection, prob: float, allow_missing_keys: bool = False) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Draw whether to act, then change key after key."""
        d = dict(data)
        self.randomize(d)
        if self._do_transform:
            for key in self.key_iterator(d):
                d[key] = self.apply(d[key])
        return d

    def apply(self, value: Any) -> Any:
        """Change the value of one key; called after ``randomize``, and only if chance has it so."""
        raise NotImplementedError
