"""The ragged (stimulus, neuron) grid for PyTorch."""
