"""Networks, their training and its speed; the only room that imports Keras."""
