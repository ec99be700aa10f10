# fails: predictions: task, descriptors
# mistake: LAR is believed to trap
s/{"lar", false, true/{"lar", true, true/
