"""What files of each kind say of themselves, without the files."""

from __future__ import annotations

import json

from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.export.contract import Contract, Description, TensorType
from tests.support.specs import CAPTIONS, ICONS, SHOP

INPUTS = {
    "noise": TensorType(dtype="float32", dims=(None, 2)),
    "label": TensorType(dtype="int64", dims=(None,)),
    "caption": TensorType(dtype="int64", dims=(None, 64)),
}


def described(
    *names: str, spec: DatasetSpec = MNIST, captions: tuple[str, ...] = (), shares: tuple[float, ...] = ()
) -> Description:
    contract = Contract(inputs={name: INPUTS[name] for name in ("noise", *names)}, spec=spec)
    notes = {"captions": captions, "shares": shares}
    return Description(contract=contract, metadata={key: json.dumps(value) for key, value in notes.items() if value})


PLAIN, WITH_LABEL, WITH_CAPTION = described(), described("label"), described("caption")
WITH_CLASS_NAMES = described("label", spec=SHOP)
WITH_POOL = described("caption", spec=ICONS, captions=CAPTIONS)
