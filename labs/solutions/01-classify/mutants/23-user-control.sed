# fails: user sensitive
# mistake: user sensitive is location sensitive only
s/changes(m, i, u) || depends(m, i, u)/depends(m, i, u)/
