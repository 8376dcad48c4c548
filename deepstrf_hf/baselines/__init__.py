"""The linear reference of a cohort: a ridge STRF of every neuron, and how well it predicts sounds it has not seen."""
