# fails: predictions: flags and control registers
# mistake: POPF is believed to trap
s/{"popf", false/{"popf", true/
