"""From a raw file to a served model, the Keras way.

python examples/quickstart.py        (takes half a minute; writes logs/quickstart and exports/ease)
"""

import tensorflow as tf

import tfrec
from tfrec.models import EASE
from tfrec.serving import Client, launch

# Raw file → Interactions → split. Without MovieLens at hand, `movielens` says what to put where.
data = tfrec.data.movielens("100k")
train, test = tfrec.data.random_split(data, test=0.2, by="user", seed=42)
print(data)

# model.fit(train) would do all of this; spelled out, it is any Keras model.
model = EASE(l2=200.0)
model.adapt(train)
model.compile()
model.fit(
    model.training_data(train),
    validation_data=test,
    callbacks=[tf.keras.callbacks.TensorBoard("logs/quickstart")],
)
print(tfrec.evaluate(model, test))

# Raw ids in, raw ids out: for somebody it knows, and for somebody it has never seen.
print(model.recommend(["196"], k=5).to_frame())
print(model.recommend_from_history([["50", "181"]], k=5).to_frame())

# A SavedModel, a model server, a client.
print("exported to", model.export("exports/ease"))
with launch.start("exports", grpc_port=0, rest_port=0) as server:
    server.wait_ready()
    with Client(grpc=server.grpc_address) as client:
        for item_id, score in client.recommend("ease", ["196"], k=5)[0]:
            print(f"{item_id:>6}  {score:.3f}")
