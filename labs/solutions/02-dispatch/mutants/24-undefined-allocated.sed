# fails: undefined instruction
# mistake: #UD is taken for a page fault
s/case PAGE:/case 6: case PAGE:/
