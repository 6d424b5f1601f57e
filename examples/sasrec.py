"""SASRec the Keras way: an optimizer with a schedule, early stopping on the validation's nDCG, TensorBoard.

python examples/sasrec.py        (takes less than a minute; writes logs/sasrec)
"""

import tensorflow as tf

import tfrec
from tfrec.models import SASRec

# The last item of each user is the test, the one before it the validation. Without MovieLens at hand, `movielens` says
# what to put where.
data = tfrec.data.movielens("100k")
known, test = tfrec.data.leave_out(data)
train, validation = tfrec.data.leave_out(known)

model = SASRec(max_length=50, dropout=0.3, batch_size=64)
model.adapt(train)
batches = model.training_data(train)

# The learning rate rises for two epochs, and falls along a cosine in the rest.
epochs, warm_up = 10, 2 * len(batches)
schedule = tf.keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=0.0,
    decay_steps=epochs * len(batches) - warm_up,
    warmup_target=0.003,
    warmup_steps=warm_up,
)
model.compile(tf.keras.optimizers.Adam(schedule))
model.fit(
    batches,
    epochs=epochs,
    validation_data=validation,
    callbacks=[
        tf.keras.callbacks.EarlyStopping("val_ndcg@10", patience=4, restore_best_weights=True),
        tf.keras.callbacks.TensorBoard("logs/sasrec"),
    ],
)

# What a sequence model says depends on what came last: the test item is ranked from everything before it.
print(tfrec.evaluate(model, test, given=known, k=10, metrics=["hit_rate", "ndcg"]))
# Toy Story, then Star Wars and its sequels; oldest first.
print(model.recommend_from_history([["1", "50", "172", "181"]], k=5).to_frame())
