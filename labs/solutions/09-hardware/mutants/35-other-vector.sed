# fails: an interrupt in the middle
# mistake: every interrupt is injected as the first
s/inject(exit, EXTERNAL, exit->vector)/inject(exit, EXTERNAL, exit->vector \& 0xdf)/
