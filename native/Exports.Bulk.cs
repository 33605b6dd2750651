using System.Runtime.InteropServices;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Calls over many objects: one crossing of the ABI for all of them.</summary>
static unsafe partial class Exports
{
    const int MaxObjects = 1_000_000;

    /// <summary>What the addresses of a process can tell apart.</summary>
    const ulong MaxBuffer = 1UL << 47;

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_get_begin")]
    public static int ObjectsGetBegin(ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        BulkJobs.Get(Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_put_begin")]
    public static int ObjectsPutBegin(ObjectRefStruct* objects, SegmentStruct* segments, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        BulkJobs.Put(Refs(objects, count, "objects"), Arguments.Segments(segments, count), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_head_begin")]
    public static int ObjectsHeadBegin(ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        BulkJobs.Head(Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_copy_begin")]
    public static int ObjectsCopyBegin(
        ObjectRefStruct* sources, ObjectRefStruct* objects, nuint count, byte* options, ulong* outOperation) => Begin(outOperation, () =>
        BulkJobs.Copy(Refs(sources, count, "sources"), Refs(objects, count, "objects"), BulkOptions.Parse(Json(options))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_objects_scatter_begin")]
    public static int ObjectsScatterBegin(
        ObjectRefStruct* objects, nuint objectCount, ObjectReadStruct* ranges, nuint count, byte* options,
        ulong* outOperation) => Begin(outOperation, () =>
    {
        var places = Refs(objects, objectCount, "objects");
        var wanted = new ScatterRange[Arguments.Count(ranges, count, "ranges")];
        var all = new Structs.Inputs<ObjectReadStruct>(ranges, wanted.Length, "ranges");
        for (int i = 0; i < wanted.Length; i++)
        {
            var read = all[i];
            if (read.Object >= (ulong)places.Length || read.Offset > long.MaxValue)
                throw Arguments.Wrong(
                    $"ranges[{i}]", $"is of object {read.Object} from byte {read.Offset}; there are {places.Length} objects");
            Checksum? expected = read.Check != 0 ? new Checksum(read.Crc32c) : null;
            wanted[i] = new ScatterRange(
                (int)read.Object, (long)read.Offset, Arguments.Memory(read.Data, read.Length, $"ranges[{i}]"), expected);
        }
        var (mode, inFlight) = (Decompress.Never, 8);
        foreach (var option in OptionReader.Read(Json(options), "s3dlio call"))
        {
            switch (option.Name)
            {
                case "decompress": mode = option.AsDecompress(); break;
                case "max_in_flight": inFlight = (int)option.AsInteger(1, 4096); break;
                default: throw option.Unknown(["decompress", "max_in_flight"]);
            }
        }
        return BulkJobs.Scatter(places, wanted, mode, inFlight);
    });

    /// <summary>Hands over the results of a bulk get: each buffer is the caller's from here on.</summary>
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_take_items")]
    public static int OpTakeItems(ulong operation, nuint count, ItemStruct* outItems) => Guard.Run(() =>
    {
        Arguments.Out(outItems, "out_items");
        if (count > MaxObjects)
            throw Arguments.Wrong("count", $"is {count}; at most {MaxObjects} objects go into one call");
        if (count > 0)
            Structs.Out(outItems, "out_items");
        var op = Op(operation);
        if (!op.Wait(0))
            return Guard.Pending;
        uint size = count == 0 ? 0 : *(uint*)outItems;
        var items = op.TakeItems((int)count);
        for (int i = 0; i < (int)count; i++)
        {
            // the first one's size is that of all
            var target = (ItemStruct*)((byte*)outItems + ((nuint)i * size));
            target->StructSize = size;
            Structs.Give(target, i < items.Length && items[i] is { } memory
                ? new ItemStruct { Buffer = Handles.Add(memory), Data = memory.Start, Length = (ulong)memory.Length }
                : default);
        }
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_buffer_new")]
    public static int BufferNew(ulong length, ulong* outBuffer, void** outData) => Guard.Run(() =>
    {
        Arguments.Out(outBuffer, "out_buffer");
        *outBuffer = 0;
        Arguments.Out(outData, "out_data");
        if (length > MaxBuffer)
            throw Arguments.Wrong("length", $"is {length}; a process can address at most {MaxBuffer} bytes");
        var memory = new ResultMemory((long)length);
        *outData = memory.Start;
        *outBuffer = Handles.Add(memory);
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
        var all = new Structs.Inputs<ObjectRefStruct>(objects, refs.Length, name);
        for (int i = 0; i < refs.Length; i++)
        {
            var one = all[i];
            refs[i] = new ObjectRef(Store(one.Store), Key(one.Key, one.KeyLength));
        }
        return refs;
    }
}

/// <summary>struct s3dlio_object</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ObjectRefStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public ulong Store;
    public byte* Key;
    public nuint KeyLength;

    public static int LeastSize => sizeof(ObjectRefStruct);
}

/// <summary>struct s3dlio_object_read</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ObjectReadStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public void* Data;
    public ulong Length;
    public ulong Offset;
    public ulong Object;
    public uint Crc32c;
    public uint Check;

    /// <summary>Up to Object: without what the bytes are compared with.</summary>
    public static int LeastSize => sizeof(ObjectReadStruct) - (2 * sizeof(uint));
}

/// <summary>struct s3dlio_item</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ItemStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public ulong Buffer;
    public void* Data;
    public ulong Length;

    public static int LeastSize => sizeof(ItemStruct);
}
