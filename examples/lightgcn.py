"""LightGCN the Keras way: optimizer, learning-rate schedule, early stopping, TensorBoard.

python examples/lightgcn.py        (takes half a minute; writes logs/lightgcn)
"""

import tensorflow as tf

import tfrec
from tfrec.models import LightGCN

# A test part, and within the rest one to stop on.
data = tfrec.data.movielens("100k")
rest, test = tfrec.data.random_split(data, test=0.2, by="user", seed=42)
train, validation = tfrec.data.random_split(rest, test=0.1, by="user", seed=42)

model = LightGCN(n_layers=2, batch_size=2048)
model.adapt(train)
batches = model.training_data(train)

# Any optimizer and any schedule of Keras will do: this one comes down to nothing over thirty epochs.
epochs = 30
schedule = tf.keras.optimizers.schedules.CosineDecay(0.02, decay_steps=epochs * len(batches))
model.compile(tf.keras.optimizers.Adam(schedule))
model.fit(
    batches,
    validation_data=validation,
    epochs=epochs,
    callbacks=[
        tf.keras.callbacks.EarlyStopping("val_ndcg@10", patience=5, restore_best_weights=True),
        tf.keras.callbacks.TensorBoard("logs/lightgcn"),
    ],
    verbose=2,
)
print(tfrec.evaluate(model, test, seen=validation))

# Raw ids in, raw ids out: for somebody it knows, and for somebody it has never seen.
print(model.recommend(["196"], k=5).to_frame())
print(model.recommend_from_history([["50", "181"]], k=5).to_frame())
