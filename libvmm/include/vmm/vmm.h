/** @file
 * Everything that the library offers. */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include "vmm/assist.h"
#include "vmm/audit.h"
#include "vmm/census.h"
#include "vmm/classes.h"
#include "vmm/classify.h"
#include "vmm/debug.h"
#include "vmm/error.h"
#include "vmm/module.h"
#include "vmm/postmortem.h"
#include "vmm/record.h"
#include "vmm/snapshot.h"
#include "vmm/symbols.h"
#include "vmm/theorem.h"
#include "vmm/trace.h"
#include "vmm/translate.h"
#include "vmm/translator.h"
#include "vmm/version.h"
#include "vmm/vm.h"

#endif
