"""What tfrec's models are optimised by, beyond Keras's optimizers."""

import contextlib
from typing import Any

from tfrec._tf import Tensor, tf
from tfrec.checks import check_not_negative, check_positive


@tf.keras.utils.register_keras_serializable(package="tfrec")
class RowSparseAdam(tf.keras.optimizers.Optimizer):
    """Adam that leaves alone the rows of an embedding table that a step doesn't touch.

    The gradient of a table that is read with `tf.gather` names its rows (`tf.IndexedSlices`): what is done for them
    costs as much as the batch is large, however large the table. Keras's Adam moves every row at every step, because
    every moment decays. Here the moments of a row decay only at the steps that touch it (lazy Adam, as in TensorFlow
    Addons); a gradient of 0 is a touch too. A variable with a dense gradient, and a table whose every row is touched by
    every step, are learned as by Keras's Adam.

    With the moments m and v of a row, its gradient g at step t, and α and ε the learning rate and `epsilon` (Kingma &
    Ba 2015, Adam, the efficient order of computation at the end of section 2)::

        m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
        θ ← θ - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε)

    t counts all steps, those too that didn't touch the row. The correction of the bias thus fades for all rows alike:
    one that is touched for the first time late in a fit still has moments close to zero, and moves by up to
    (1 - β₁) / √(1 - β₂) learning rates then, which is 3.2 with the defaults, where a row of an early step moves by one.

    What would touch whole tables at every step is left out: weight decay, moving averages of the weights, and AMSGrad.

    Args:
        learning_rate: a number, or a `tf.keras.optimizers.schedules.LearningRateSchedule`.
        beta_1: the decay of the first moment, from 0 up to but not including 1.
        beta_2: the decay of the second moment, likewise.
        epsilon: ε, which keeps the quotient finite.
        clipnorm: the largest norm that the gradient of each variable may have; longer ones are shortened.
        clipvalue: the largest magnitude that an element of a gradient may have.
        global_clipnorm: the largest norm that all gradients together may have.
        name: Keras's name of the optimizer.

    Raises:
        TypeError: an argument is no number.
        ValueError: it is out of its range, or both `clipnorm` and `global_clipnorm` are given.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str = "RowSparseAdam",
    ) -> None:
        for argument, limit in (("clipnorm", clipnorm), ("clipvalue", clipvalue), ("global_clipnorm", global_clipnorm)):
            if limit is not None:
                check_positive(argument, limit)
        super().__init__(
            name=name,
            weight_decay=None,  # Keras's default here is 0, by which it multiplies whole tables at every step
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            jit_compile=False,  # XLA would compile anew for every number of rows
        )
        if not isinstance(learning_rate, tf.keras.optimizers.schedules.LearningRateSchedule):
            learning_rate = check_not_negative("learning_rate", learning_rate)
        self._learning_rate = self._build_learning_rate(learning_rate)
        self.beta_1 = _check_decay("beta_1", beta_1)
        self.beta_2 = _check_decay("beta_2", beta_2)
        self.epsilon = check_positive("epsilon", epsilon)

    def build(self, var_list: Any) -> None:
        """Create the two moments of every variable, once."""
        super().build(var_list)
        if getattr(self, "_built", False):
            return
        self._built = True
        self._first_moments = [self.add_variable_from_reference(variable, "m") for variable in var_list]
        self._second_moments = [self.add_variable_from_reference(variable, "v") for variable in var_list]

    def update_step(self, gradient: Tensor, variable: Tensor) -> None:
        """One step of one variable.

        Args:
            gradient: of the variable's shape, or `tf.IndexedSlices` with every row at most once.
            variable: a trainable variable.
        """
        place = self._index_dict[self._var_key(variable)]
        first, second = self._first_moments[place], self._second_moments[place]
        step = tf.cast(self.iterations + 1, variable.dtype)
        first_power, second_power = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        rate = tf.cast(self.learning_rate, variable.dtype)
        if isinstance(gradient, tf.IndexedSlices):
            corrected = rate * tf.sqrt(1.0 - second_power) / (1.0 - first_power)
            self._update_rows(gradient, variable, first, second, corrected)
        else:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=first_power,
                beta2_power=second_power,
                lr=rate,
                beta1=tf.cast(self.beta_1, variable.dtype),
                beta2=tf.cast(self.beta_2, variable.dtype),
                epsilon=tf.cast(self.epsilon, variable.dtype),
                grad=gradient,
            )

    def _update_rows(self, gradient: Tensor, variable: Tensor, first: Tensor, second: Tensor, rate: Tensor) -> None:
        values, rows = gradient.values, gradient.indices
        mean, square = tf.gather(first, rows), tf.gather(second, rows)
        mean += (values - mean) * (1.0 - self.beta_1)
        square += (tf.square(values) - square) * (1.0 - self.beta_2)
        first.scatter_update(tf.IndexedSlices(mean, rows))
        second.scatter_update(tf.IndexedSlices(square, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * mean / (tf.sqrt(square) + self.epsilon), rows))

    def _clip_gradients(self, grads: Any) -> Any:
        # Keras adds up the slices of a row later, and would take the norm of something that isn't the gradient.
        if self.clipnorm or self.clipvalue or self.global_clipnorm:
            grads = self._deduplicate_sparse_grad(grads)
        return super()._clip_gradients(grads)

    def get_config(self) -> dict:
        """The constructor's arguments, with a learning rate that callbacks changed as it is now."""
        return {
            "learning_rate": self._serialize_hyperparameter(self._learning_rate),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "name": self.name,
        }


def _check_decay(name: str, value: object) -> float:
    decay = check_not_negative(name, value)
    if decay >= 1.0:
        raise ValueError(f"{name} must be a number from 0 up to but not including 1; got {value!r}")
    return decay


def decay_learning_rate(optimizer: Any, factor: float) -> None:
    """Multiply the learning rate of an optimizer, unless it follows a schedule.

    Relative to what it is, so that it goes well with ReduceLROnPlateau and with what a backup restores.
    """
    with contextlib.suppress(TypeError):  # which Keras raises for a rate that follows a schedule
        optimizer.learning_rate = optimizer.learning_rate * factor
