# fails: a long text
# mistake: a long text is not split
s/part = count < MOST ? count : MOST;/part = count;/
