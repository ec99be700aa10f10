# fails: a unit dies that exits lead to
# mistake: exits are not cut
s/vmm_exits_cut(to_cut, exit);/(void)to_cut;/
