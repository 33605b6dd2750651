using System.Buffers;
using System.Text;
using S3dlio.Hashing;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// The user's key-value pairs as <c>x-ms-meta-*</c> headers. Azure's names are C# identifiers of either case, its values what a header may
/// hold; pairs with other names travel together as JSON in one value, other values as RFC 2047 words. The names that begin with
/// <c>s3dlio_</c> are this library's.
/// </summary>
static class BlobMetadata
{
    const string Header = "x-ms-meta-";
    const string Own = "s3dlio_";
    const int MaxDepth = 4;
    const string ChecksumName = "s3dlio_crc32c";
    const string BlocksName = "s3dlio_blocks";
    const string WriteName = "s3dlio_write";
    const string OtherName = "s3dlio_metadata";

    /// <summary>Azure keeps 8 KiB of names and values; what is not the user's has to leave the rest alone.</summary>
    const int RoomForBlocks = 7 << 10;

    static readonly SearchValues<char> Identifier = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    /// <param name="request">Gets the headers.</param>
    /// <param name="metadata">The user's.</param>
    /// <param name="checksum">CRC32C of the whole object, where it is known.</param>
    /// <param name="blocks">Those of its blocks; left out where the user's pairs need the room.</param>
    /// <param name="write">What tells this write from every other.</param>
    public static void Write(
        RemoteRequest request, IReadOnlyDictionary<string, string>? metadata, Checksum? checksum, BlockChecksums? blocks, string write)
    {
        WriteOwn(request, metadata, checksum, write);
        if (blocks?.ToString() is { } text
            && text.Length + request.Headers.Where(header => header.Key.StartsWith(Header, StringComparison.Ordinal)).Sum(
                header => header.Key.Length + header.Value.Length) <= RoomForBlocks)
            request.WithHeader(Header + BlocksName, text);
    }

    static void WriteOwn(RemoteRequest request, IReadOnlyDictionary<string, string>? metadata, Checksum? checksum, string write)
    {
        if (checksum is { } known)
            request.WithHeader(Header + ChecksumName, known.ToString());
        request.WithHeader(Header + WriteName, write);
        if (metadata is null || metadata.Count == 0)
            return;
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        Dictionary<string, string>? others = null;
        foreach (var (name, value) in metadata)
        {
            if (name.StartsWith(Own, StringComparison.OrdinalIgnoreCase))
                throw StoreException.InvalidArgument(request.Subject,
                    $"the metadata name '{name}' begins with '{Own}', which is kept for what this library writes there itself");
            if (IsIdentifier(name) && seen.Add(name))
                request.WithHeader(Header + name, Encode(value));
            else
                (others ??= new(StringComparer.Ordinal))[name] = value;
        }
        if (others is not null)
            request.WithHeader(Header + OtherName, Encode(ToJson(others)));
    }

    /// <summary>What the headers say.</summary>
    public static (IReadOnlyDictionary<string, string> Metadata, Checksum? Checksum, string? Blocks, string? Write) Read(
        IEnumerable<(string Name, string Value)> headers)
    {
        Dictionary<string, string>? metadata = null;
        Checksum? checksum = null;
        string? write = null, blocks = null;
        foreach (var (name, value) in headers)
        {
            if (!name.StartsWith(Header, StringComparison.OrdinalIgnoreCase))
                continue;
            string bare = name[Header.Length..];
            switch (bare.ToLowerInvariant())
            {
                case ChecksumName:
                    checksum = Checksum.TryParse(value, out var found) ? found : null;
                    break;
                case BlocksName:
                    blocks = value;
                    break;
                case WriteName:
                    write = value;
                    break;
                case OtherName:
                    FromJson(HeaderText.Decode(value), metadata ??= new(StringComparer.Ordinal));
                    break;
                default:
                    (metadata ??= new(StringComparer.Ordinal))[bare] = HeaderText.Decode(value);
                    break;
            }
        }
        return (metadata ?? ObjectMeta.NoMetadata, checksum, blocks, write);
    }

    static bool IsIdentifier(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.AsSpan().IndexOfAnyExcept(Identifier) < 0;

    /// <summary>The service drops headers without a value.</summary>
    internal static string Encode(string value) => value.Length > 0 && HeaderText.IsPlain(value) ? value : HeaderText.Word(value);

    static string ToJson(Dictionary<string, string> pairs) => Encoding.UTF8.GetString(JsonText.Object(json =>
    {
        foreach (var (name, value) in pairs)
            json.WriteString(name, value);
    }));

    static void FromJson(string text, Dictionary<string, string> metadata)
    {
        try
        {
            foreach (var (name, value) in StrictJson.TextMap(StrictJson.Parse(Encoding.UTF8.GetBytes(text), MaxDepth)))
                metadata[name] = value;
        }
        catch (StrictJsonException)
        {
            // another program's value: return it as it is
            metadata[OtherName] = text;
        }
    }
}
