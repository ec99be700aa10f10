# fails: mov to control registers
# mistake: the allocator does not hear of a new CR3
s/case 3: guest->cr3 = value; break;/case 3: guest->cr3 = value; return done();/
