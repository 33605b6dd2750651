using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

static unsafe partial class Exports
{
    static readonly string[] KnownList = ["recursive", "start_after", "page_size", "pattern"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_list_open")]
    public static int ListOpen(ulong store, byte* path, nuint pathLength, byte* options, ulong* outList) => Guard.Run(() =>
    {
        Arguments.Out(outList, "out_list");
        *outList = 0;
        var from = Store(store);
        string start = Arguments.Key(path, pathLength, "path"), uri = from.Root.Child(start);
        ObjectKey.CheckPrefix(from.Root, start);
        var what = ListOptions.Default;
        foreach (var option in OptionReader.Read(Arguments.Text(options, "options_json"), uri))
        {
            what = option.Name switch
            {
                "recursive" => what with { Recursive = option.AsBool() },
                "start_after" => what with { StartAfter = option.AsKey() },
                "page_size" => what with { PageSize = (int)option.AsInteger(1, 10_000) },
                "pattern" => what with { Pattern = Pattern(option) },
                _ => throw option.Unknown(KnownList),
            };
        }
        *outList = Handles.Add(new ListCursor(cancel => PathOperations.ListAsync(from, start, what, cancel)));
        return Guard.Ok;
    });

    /// <summary>JSON <c>{"objects":[…],"prefixes":[…]}</c>, or <c>null</c> at the end.</summary>
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_list_page_begin")]
    public static int ListPageBegin(ulong list, ulong* outOperation) =>
        Begin(outOperation, () => Jobs.Page(Handles.Get<ListCursor>(list, "list")));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_list_next")]
    public static int ListNext(ulong list, EntryStruct* outEntry) => Guard.Run(() =>
    {
        Structs.Out(outEntry, "out_entry");
        var cursor = Handles.Get<ListCursor>(list, "list");
        ListEntry? found = null;
        Operation.Run(Jobs.Next(cursor, entry => found = entry));
        if (found is not { } entry)
            return Guard.End;
        Structs.Give(outEntry, new EntryStruct
        {
            Key = (byte*)entry.Key,
            KeyLength = entry.KeyLength,
            IsPrefix = entry.Object is null ? 1u : 0u,
            Size = (ulong)(entry.Object?.Size ?? 0),
            LastModified = entry.Object is null ? 0 : MetaJson.Nanoseconds(entry.Object.LastModified),
        });
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_list_close")]
    public static int ListClose(ulong list) => Guard.Run(() =>
        Handles.Remove<ListCursor>(list, "list", out var cursor) ? Call(() => Jobs.Close(cursor!)) : Guard.Ok);

    /// <summary>Without backtracking, so that no pattern can take exponential time.</summary>
    static Regex Pattern(NamedOption option)
    {
        const int longest = 4096;
        string text = option.AsText();
        if (text.Length > longest)
            throw new StoreException(
                ErrorKind.InvalidArgument, option.Uri, $"the pattern has {text.Length} characters; at most {longest} are taken");
        try
        {
            return new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException)
        {
            throw new StoreException(
                ErrorKind.InvalidArgument, option.Uri,
                $"the pattern '{text}' is not a regular expression that can be used: {error.Message}", cause: error);
        }
    }
}

/// <summary>struct s3dlio_entry</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct EntryStruct : ISizedStruct
{
    public uint StructSize;
    public uint IsPrefix;
    public byte* Key;
    public nuint KeyLength;
    public ulong Size;
    public long LastModified;

    public static int LeastSize => sizeof(EntryStruct);
}
