# fails: user sensitive
# mistake: user sensitive is control sensitive only
s/changes(m, i, u) || depends(m, i, u)/changes(m, i, u)/
