/* The buffer protocol for a class that is written in Python: an object exports what its attribute _array does. From 3.12 on a class of Python can
 * have a method __buffer__, which is no substitute: torch.frombuffer asks again while the error of its first question is still set, and no code
 * of Python runs then.
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
extern void PyErr_Fetch(PyObject **, PyObject **, PyObject **) __attribute__((weak));
extern void PyErr_Restore(PyObject *, PyObject *, PyObject *) __attribute__((weak));

/* not in s3dlio.h: it is of use to python/s3dlio/_core/_native.py alone */
int _s3dlio_exporter(PyObject *self, Py_buffer_head *view, int flags)
{
    PyObject *array, *type, *value, *trace;
    int result = -1;

    view->obj = NULL;
    PyErr_Fetch(&type, &value, &trace);
    array = PyObject_GetAttrString(self, "_array");
    if (array != NULL) {
        /* the view then refers to the array, which is what the memory belongs to */
        result = PyObject_GetBuffer(array, view, flags);
        Py_DecRef(array);
    }
    if (result == 0) {
        /* the error that was set before is the caller's to clear */
        PyErr_Restore(type, value, trace);
    } else {
        Py_DecRef(type);
        Py_DecRef(value);
        Py_DecRef(trace);
    }
    return result;
}
