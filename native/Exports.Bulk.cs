using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Calls over many objects: one crossing of the ABI for all of them.</summary>
static unsafe partial class Exports
{
    const int MaxObjects = 1_000_000;

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_get_begin")]
    public static int ObjectsGetBegin(ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
        BulkJobs.Get(Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_put_begin")]
    public static int ObjectsPutBegin(ObjectRefStruct* objects, SegmentStruct* segments, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
        BulkJobs.Put(Refs(objects, count, "objects"), Arguments.Segments(segments, count), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_head_begin")]
    public static int ObjectsHeadBegin(ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
        BulkJobs.Head(Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_copy_begin")]
    public static int ObjectsCopyBegin(ObjectRefStruct* sources, ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
        BulkJobs.Copy(Refs(sources, count, "sources"), Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    /// <summary>Hands over the results of a bulk get: each buffer is the caller's from here on.</summary>
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_take_items")]
    public static int OpTakeItems(ulong operation, ItemStruct* outItems, nuint count) => Guard.Run(() =>
    {
        var op = Op(operation);
        if (!op.Wait(0))
            return Guard.Pending;
        if (outItems is null && count > 0)
            throw Arguments.Wrong("out_items", "is a null pointer with a count");
        var items = op.TakeItems((int)Math.Min(count, int.MaxValue));
        for (int i = 0; i < items.Length; i++)
        {
            outItems[i] = items[i] is { } memory
                ? new ItemStruct { Buffer = Handles.Add(memory), Data = memory.Start, Length = (ulong)memory.Length }
                : default;
        }
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_buffer_free")]
    public static int BufferFree(ulong buffer) => Guard.Run(() =>
    {
        if (Handles.Remove<ResultMemory>(buffer, "buffer", out var memory))
            memory!.Dispose();
        return Guard.Ok;
    });

    static ObjectRef[] Refs(ObjectRefStruct* objects, nuint count, string name)
    {
        if (objects is null && count > 0)
            throw Arguments.Wrong(name, "is a null pointer with a count");
        if (count > MaxObjects)
            throw Arguments.Wrong("count", $"is {count}; at most {MaxObjects} objects go into one call");
        var refs = new ObjectRef[(int)count];
        for (int i = 0; i < refs.Length; i++)
            refs[i] = new ObjectRef(Store(objects[i].Store), Key(objects[i].Key, objects[i].KeyLength));
        return refs;
    }
}

/// <summary>struct s3dlio_object</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ObjectRefStruct
{
    public ulong Store;
    public byte* Key;
    public nuint KeyLength;
}

/// <summary>struct s3dlio_item</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ItemStruct
{
    public ulong Buffer;
    public void* Data;
    public ulong Length;
}
