using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>The same operations for C programs that would only wait for them.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_put")]
    public static int ObjectPut(ulong store, byte* key, nuint keyLength, void* data, ulong length, byte* options)
    {
        var segment = new SegmentStruct { StructSize = (uint)sizeof(SegmentStruct), Data = data, Length = length };
        // the segment is read before this returns, and the call waits for the rest
        var only = &segment;
        return Call(() => Put(store, key, keyLength, only, 1, options));
    }

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_get")]
    public static int ObjectGet(ulong store, byte* key, nuint keyLength, void* data, ulong capacity, ulong* outLength) => Guard.Run(() =>
    {
        Arguments.Out(outLength, "out_length");
        *outLength = 0;
        var target = Arguments.Memory(data, capacity, "data");
        var (from, name) = (Store(store), Key(key, keyLength));
        long needed = 0;
        LargeMemory Fit(long size)
        {
            needed = size;
            return size <= target.Length
                ? target.Part(0, size)
                : throw new StoreException(
                    ErrorKind.InvalidArgument, from.Root.Child(name), $"the object has {size} bytes, the caller's buffer {target.Length}");
        }
        int status = Call(() => Jobs.Get(from, name, Decompress.Never, Fit, new Validation(null)));
        *outLength = (ulong)needed;
        return status;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_get_range")]
    public static int ObjectGetRange(ulong store, byte* key, nuint keyLength, ulong offset, ulong length, void* data) => Guard.Run(() =>
    {
        if (offset > long.MaxValue || length > long.MaxValue)
            throw Arguments.Wrong("offset", "or 'length' is beyond any object's size");
        if (length > 0)
            Arguments.Out(data, "data");
        return Call(() => GetRange(store, key, keyLength, (long)offset, (long)length, data, null));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_head")]
    public static int ObjectHead(ulong store, byte* key, nuint keyLength, MetaStruct* outMeta) => Guard.Run(() =>
    {
        Structs.Out(outMeta, "out_meta");
        return Call(() => Jobs.Head(Store(store), Key(key, keyLength), meta => Structs.Give(outMeta, MetaStruct.Of(meta))));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_exists")]
    public static int ObjectExists(ulong store, byte* key, nuint keyLength, int* outExists) => Guard.Run(() =>
    {
        Arguments.Out(outExists, "out_exists");
        *outExists = 0;
        return Call(() => Jobs.Exists(Store(store), Key(key, keyLength)), op => *outExists = op.Json!.Start[0] == (byte)'t' ? 1 : 0);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_object_delete")]
    public static int ObjectDelete(ulong store, byte* key, nuint keyLength) => Call(() => Delete(store, key, keyLength, null));
}

/// <summary>struct s3dlio_meta</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct MetaStruct : ISizedStruct
{
    public const int TextCapacity = 128;

    public uint StructSize;
    public uint HasChecksum;
    public ulong Size;
    public long LastModified;
    public uint Crc32C;
    public uint Reserved;
    public fixed byte ETag[TextCapacity];
    public fixed byte ContentType[TextCapacity];

    public static int LeastSize => sizeof(MetaStruct);

    public static MetaStruct Of(ObjectMeta meta)
    {
        var made = new MetaStruct
        {
            Size = (ulong)meta.Size,
            LastModified = MetaJson.Nanoseconds(meta.LastModified),
            HasChecksum = meta.Checksum is null ? 0u : 1u,
            Crc32C = meta.Checksum?.Value ?? 0,
        };
        Place(meta.ETag, made.ETag);
        Place(meta.ContentType, made.ContentType);
        return made;
    }

    /// <summary>A text that does not fit, or would end early for C, is left empty: half of an ETag would be a wrong one.</summary>
    static void Place(string? text, byte* at)
    {
        at[0] = 0;
        if (text is null || Encoding.UTF8.GetByteCount(text) >= TextCapacity || text.Contains('\0', StringComparison.Ordinal))
            return;
        int length = Encoding.UTF8.GetBytes(text, new Span<byte>(at, TextCapacity - 1));
        at[length] = 0;
    }
}
