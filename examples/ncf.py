"""NCF the Keras way: an optimizer with a schedule, early stopping on validation nDCG, TensorBoard.

python examples/ncf.py        (takes half a minute; writes logs/ncf)
"""

import tensorflow as tf

import tfrec
from tfrec.models import NCF

EPOCHS = 20

# The last item of each user is for the test, the one before it for early stopping.
data = tfrec.data.movielens("100k")
rest, test = tfrec.data.leave_out(data)
train, validation = tfrec.data.leave_out(rest)

# NeuMF: for 10 epochs GMF and MLP learn side by side, then together.
model = NCF(n_factors=32, mlp_layers=(32, 16), pretrain_epochs=10, l2=0.005, batch_size=2048)
model.adapt(train)
batches = model.training_data(train)
schedule = tf.keras.optimizers.schedules.CosineDecay(0.01, decay_steps=EPOCHS * len(batches))
model.compile(tf.keras.optimizers.Adam(schedule))
history = model.fit(
    batches,
    epochs=EPOCHS,
    validation_data=validation,
    callbacks=[
        tf.keras.callbacks.EarlyStopping("val_ndcg@10", patience=5, restore_best_weights=True),
        tf.keras.callbacks.TensorBoard("logs/ncf"),
    ],
    verbose=0,
)
print("epoch  loss  val_ndcg@10")
for epoch, loss, ndcg in zip(history.epoch, history.history["loss"], history.history["val_ndcg@10"], strict=True):
    print(f"{epoch + 1:>5}  {loss:.2f}  {ndcg:.4f}")

# What was kept to validate on has been seen by the time of the test, and is not to be recommended.
print(tfrec.evaluate(model, test, seen=validation))
print(model.recommend(["196"], k=5).to_frame())
print(model.recommend_from_history([["50", "181"]], k=5).to_frame())
