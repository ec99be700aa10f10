# fails: undefined instructions
# mistake: an exception is injected as an interrupt
s/inject(exit, EXCEPTION, 6)/inject(exit, EXTERNAL, 6)/
