# fails: divide error
# mistake: #DE is taken for a page fault
s/case PAGE:/case 0: case PAGE:/
