using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Cache;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Version, errors and stores. Every export is described in include/s3dlio.h.</summary>
static unsafe partial class Exports
{
    const uint AbiVersion = 2;

    static readonly byte* Version = (byte*)Marshal.StringToCoTaskMemUTF8(typeof(ObjectStore).Assembly.GetName().Version!.ToString(3));

    static readonly ConcurrentDictionary<uint, nint> NoticeTexts = new();

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_abi_version")]
    public static uint GetAbiVersion() => AbiVersion;

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_version")]
    public static byte* GetVersion() => Version;

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_credentials_program")]
    public static int CredentialsProgram(byte* program) => Guard.Run(() =>
    {
        string chosen = Arguments.Text(program, "program");
        if (program is null || chosen is not ("" or ['/', ..]))
            throw new StoreException(
                ErrorKind.InvalidArgument, "",
                $"program must be an absolute path, or empty for the one beside the library, found '{chosen}'");
        CredentialProgram.Chosen = chosen is "" ? null : chosen;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_crc32c")]
    public static int GetCrc32C(void* data, ulong length, uint* outCrc32C) => Append(0, data, length, outCrc32C);

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_crc32c_append")]
    public static int AppendCrc32C(uint crc32C, void* data, ulong length, uint* outCrc32C) => Append(crc32C, data, length, outCrc32C);

    static int Append(uint value, void* data, ulong length, uint* outCrc32C) => Guard.Run(() =>
    {
        Arguments.Out(outCrc32C, "out_crc32c");
        var memory = Arguments.Memory(data, length, "data");
        const int piece = 1 << 30;
        for (long at = 0; at < memory.Length; at += piece)
            value = Crc32C.Append(value, memory.Slice(at, (int)Math.Min(piece, memory.Length - at)).Span);
        *outCrc32C = value;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_last_error")]
    public static int GetLastError(ErrorStruct* outError)
    {
        if (outError is null || outError->StructSize < ErrorStruct.LeastSize)
            return (int)ErrorKind.InvalidArgument;
        var slot = LastError.Current;
        Structs.Give(outError, slot is null ? new ErrorStruct { Offset = -1 } : new ErrorStruct
        {
            Kind = slot.Kind,
            Offset = slot.Offset,
            Message = slot.Message,
            Uri = slot.Uri,
            Detail = slot.Detail,
            Reason = slot.Reason,
        });
        return Guard.Ok;
    }

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_notice_get")]
    public static int NoticeGet(uint number, NoticeStruct* outNotice) => Guard.Run(() =>
    {
        Structs.Out(outNotice, "out_notice");
        Structs.Give(outNotice, new NoticeStruct
        {
            Text = number >= Notices.Count
                ? null
                : (byte*)NoticeTexts.GetOrAdd(number, static number => Marshal.StringToCoTaskMemUTF8(Notices.Get((int)number))),
        });
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_event_get")]
    public static int EventGet(long number, EventStruct* outEvent) => Guard.Run(() =>
    {
        Structs.Out(outEvent, "out_event");
        var found = Events.Find(number);
        var told = new EventStruct { Level = (int)(found?.Level ?? 0), Number = found?.Number ?? Events.Count };
        if (found is { } one)
            EventStruct.Write(one.Text, new Span<byte>(told.Text, EventStruct.TextLength));
        Structs.Give(outEvent, told);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_stats_begin")]
    public static int StatsBegin(ulong* outOperation) => Begin(outOperation, static () => (Jobs.Statistics(), true));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_store_open")]
    public static int StoreOpen(byte* uri, byte* options, ulong* outStore) => Guard.Run(() =>
    {
        Arguments.Out(outStore, "out_store");
        *outStore = 0;
        string address = Arguments.Address(uri, "uri");
        var settings = StoreOptions.Parse(Arguments.Text(options, "options_json"), address);
        *outStore = Handles.Add(HybridStore.Wrap(StoreFactory.Open(StoreUri.Parse(address), settings), settings));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_store_close")]
    public static int StoreClose(ulong store) => Guard.Run(() =>
    {
        Handles.Remove<ObjectStore>(store, "store", out _);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_store_endpoints_begin")]
    public static int StoreEndpointsBegin(ulong store, ulong* outOperation) =>
        Begin(outOperation, () => Jobs.Endpoints(Handles.Get<ObjectStore>(store, "store")));

    static ObjectStore Store(ulong id) => Recording.Of(Handles.Get<ObjectStore>(id, "store"));
}

/// <summary>struct s3dlio_error</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ErrorStruct : ISizedStruct
{
    public uint StructSize;
    public int Kind;
    public long Offset;
    public byte* Message;
    public byte* Uri;
    public byte* Detail;
    public int Reason;

    /// <summary>Up to Detail: without the reason.</summary>
    public static int LeastSize => sizeof(ErrorStruct) - sizeof(long);
}

/// <summary>struct s3dlio_notice</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct NoticeStruct : ISizedStruct
{
    public uint StructSize;
    public uint Reserved;
    public byte* Text;

    public static int LeastSize => sizeof(NoticeStruct);
}

/// <summary>struct s3dlio_event</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct EventStruct : ISizedStruct
{
    public const int TextLength = 1008;

    public uint StructSize;
    public int Level;
    public long Number;
    public fixed byte Text[TextLength];

    public static int LeastSize => sizeof(EventStruct);

    /// <summary>As much as there is room for, in whole characters, with a NUL behind it.</summary>
    public static void Write(string text, Span<byte> target)
    {
        var bytes = Encoding.UTF8.GetBytes(text).AsSpan();
        if (bytes.Length >= target.Length)
        {
            int end = target.Length - 1;
            while (end > 0 && (bytes[end] & 0xc0) == 0x80)
                end--;
            bytes = bytes[..end];
        }
        bytes.CopyTo(target);
        target[bytes.Length] = 0;
    }
}
