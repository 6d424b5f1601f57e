"""One prediction: find the signature, hold the inputs against it, run it.

The checks and their wording are TensorFlow Serving's, with one addition: types and shapes are compared with the
signature before anything runs, where the real server leaves it to whichever op stumbles first.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from tfrec._tf import tf
from tfrec.serving.errors import InvalidArgumentError, StatusError

if TYPE_CHECKING:
    from tfrec.serving.servable import Servable, Signature

log = logging.getLogger("tfrec.serving")

DEFAULT_SIGNATURE = "serving_default"
_STATUS_OF_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def find_signature(servable: "Servable", name: str) -> "Signature":
    """The signature called `name`, or the default one if the name is empty.

    Raises:
        StatusError: FAILED_PRECONDITION if there is none; INVALID_ARGUMENT if it calls into Python.
    """
    name = name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        known = ", ".join(sorted(servable.signatures))
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f'Serving signature key "{name}" not found. Signatures of {servable.name}: {known}.',
        )
    if signature.python_ops:
        raise InvalidArgumentError(
            f'the signature "{name}" calls a Python function (tf.py_function or tf.numpy_function), which no model '
            "server can run: export the model with TensorFlow ops only"
        )
    return signature


def run(
    servable: "Servable", signature_name: str, inputs: Mapping[str, Any], output_filter: Sequence[str] = ()
) -> dict[str, Any]:
    """Answer one request.

    Args:
        servable: a loaded model, borrowed for the length of the call.
        signature_name: "" for ``serving_default``.
        inputs: name → `tf.Tensor`.
        output_filter: the outputs wanted; all if empty.

    Returns:
        Output name → `tf.Tensor`.

    Raises:
        StatusError: if the request does not fit the signature, or the model refuses it.
    """
    signature = find_signature(servable, signature_name)
    _check_names(signature, inputs)
    for name, spec in signature.inputs.items():
        _check_tensor(name, spec, inputs[name])
    wanted = _wanted(signature, output_filter)
    try:
        outputs = signature.function(**inputs)
    except tf.errors.OpError as error:
        raise StatusError(_STATUS_OF_NUMBER[error.error_code], clean_message(error.message)) from error
    return {name: outputs[name] for name in wanted}


def _check_names(signature: "Signature", inputs: Mapping[str, Any]) -> None:
    sent, expected = set(inputs), set(signature.inputs)
    if sent == expected:
        return
    extra, missing = sent - expected, expected - sent
    if len(sent) == len(expected):
        raise InvalidArgumentError(
            f"input tensor alias not found in signature: {_names(extra)}. "
            f"Inputs expected to be in the set {{{_names(expected)}}}."
        )
    raise InvalidArgumentError(
        f"input size does not match signature: {len(sent)}!={len(expected)} "
        f"len({{{_names(sent)}}}) != len({{{_names(expected)}}}). "
        f"Sent extra: {{{_names(extra)}}}. Missing but required: {{{_names(missing)}}}."
    )


def _names(names: set[str]) -> str:
    return ",".join(sorted(names))


def _check_tensor(name: str, spec: Any, tensor: Any) -> None:
    if tensor.dtype != spec.dtype:
        raise InvalidArgumentError(f'input "{name}" expects {spec.dtype.name}, and {tensor.dtype.name} came')
    if not spec.shape.is_compatible_with(tensor.shape):
        raise InvalidArgumentError(
            f'input "{name}" expects the shape {_shape(spec.shape)}, and {_shape(tensor.shape)} came'
        )


def _shape(shape: Any) -> str:
    return "[" + ", ".join("?" if size is None else str(size) for size in shape.as_list()) + "]"


def _wanted(signature: "Signature", output_filter: Sequence[str]) -> Sequence[str]:
    for position, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise InvalidArgumentError(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{_names(set(signature.outputs))}}}."
            )
        if name in output_filter[:position]:
            raise InvalidArgumentError(f"duplicate output tensor alias: {name}")
    return output_filter or signature.outputs


def clean_message(message: str) -> str:
    """What an op said, without the stack and the node names TensorFlow wraps around it."""
    for line in message.splitlines():
        heading = line.startswith(("Graph execution error", "Detected at", "Node:", "<stack traces", "\t", " "))
        if line.strip() and not heading:
            return line.split("}} ", 1)[-1].split(" [Op:", 1)[0].strip()
    return "the model failed on this request"
