"""Networks into other networks: of spiking neurons, in continuous time, and the exchange format NIR."""
