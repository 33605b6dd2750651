/* The buffer protocol for a class that is written in Python. Python has that from 3.12 on (__buffer__); before, only C can give a class the slot,
 * and this is the slot's function: an object exports what its attribute _array does.
 *
 * It is C and not part of the runtime's exports because it is called with the GIL held, at moments when no signal's handler may run, and in
 * forked children whose runtime is dead. The symbols are the interpreter's: weak, since the library serves programs without one.
 */
#include <stddef.h>

typedef struct object PyObject;

/* the head of CPython's Py_buffer, which is part of its stable interface */
typedef struct {
    void *buf;
    PyObject *obj;
} Py_buffer_head;

extern PyObject *PyObject_GetAttrString(PyObject *, const char *) __attribute__((weak));
extern int PyObject_GetBuffer(PyObject *, Py_buffer_head *, int) __attribute__((weak));
extern void Py_DecRef(PyObject *) __attribute__((weak));

/* not in s3dlio.h: it is of use to python/s3dlio/_native.py alone */
int _s3dlio_exporter(PyObject *self, Py_buffer_head *view, int flags)
{
    PyObject *array;
    int result;

    view->obj = NULL;
    array = PyObject_GetAttrString(self, "_array");
    if (array == NULL)
        return -1;
    /* the view then refers to the array, which is what the memory belongs to */
    result = PyObject_GetBuffer(array, view, flags);
    Py_DecRef(array);
    return result;
}
