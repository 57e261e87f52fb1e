"""Classification: the groups of value, behaviour and RFM, the labels of a customer, and one run over a source."""
