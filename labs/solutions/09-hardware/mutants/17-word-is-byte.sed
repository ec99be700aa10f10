# fails: output
# mistake: a word's second byte is lost
s/eax \& 0xffff/eax \& 0xff/
