# fails: a handler behind a bad selector
# mistake: the null selector's entry of the GDT is read
s/if (!offset)/if (false)/
