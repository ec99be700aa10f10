# fails: in
# mistake: IN is OUT
s/immediate & 0xff, true/immediate \& 0xff, false/
