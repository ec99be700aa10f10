# fails: undefined instructions
# mistake: another exception is injected
s/inject(exit, EXCEPTION, 6)/inject(exit, EXCEPTION, 5)/
