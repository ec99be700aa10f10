/** @file
 * How the library reports a mistake of its user: a code to branch on, and one sentence, without a
 * line end, that names the thing and the remedy. Never printed by the library. */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

/** What went wrong. */
enum vmm_error_code {
    VMM_OK = 0,        /**< nothing */
    VMM_E_USAGE,       /**< an argument or option makes no sense */
    VMM_E_IMAGE,       /**< an image, initrd or module is damaged or of the wrong kind */
    VMM_E_MEMORY,      /**< host or guest memory does not suffice */
    VMM_E_IO,          /**< a file cannot be read or written */
    VMM_E_STATE,       /**< the call does not fit the state of its object */
    VMM_E_UNSUPPORTED, /**< correct, but nothing that this build or machine can do */
    VMM_E_INTERRUPTED, /**< vmm_interrupt ended it before it was done */
};

/** A mistake, as the call that noticed it fills it in. */
struct vmm_error {
    int code;       /**< enum vmm_error_code */
    char text[256]; /**< one sentence, UTF-8, without a line end */
};

#endif
