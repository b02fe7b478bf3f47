"""Parameters with which sklstm trains as the peers do at usual settings."""

PLAIN = {
    "standardize": False,
    "pooling": "last",
    "recurrent_dropout": 0.0,
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
}
