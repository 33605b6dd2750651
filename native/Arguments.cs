using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Native;

/// <summary>Turns what C passes into what Core takes, and refuses what cannot be right.</summary>
static unsafe class Arguments
{
    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Bytes of a key, many times what any store allows: beyond it the length is not a length.</summary>
    public const int MaxKey = 64 << 10;

    /// <summary>Bytes of a text, more than the largest description of tensors needs.</summary>
    public const int MaxText = 256 << 20;

    /// <summary>Bytes of one piece of memory and of all pieces of a call together: the address space ends there on every machine.</summary>
    public const long MaxMemory = 1L << 56;

    /// <summary>Pieces of memory of one call.</summary>
    public const int MaxPieces = SafetensorsHeader.MaxTensors;

    /// <summary>NUL-terminated UTF-8; null reads as empty.</summary>
    public static string Text(byte* text, string name) => Text(Bytes(text, name), name);

    /// <summary>The same of an address: one of local files may hold bytes that are not UTF-8 (<see cref="PathText"/>).</summary>
    public static string Address(byte* text, string name) => PathText.Decode(Bytes(text, name));

    static ReadOnlySpan<byte> Bytes(byte* text, string name)
    {
        if (text is null)
            return [];
        ReadOnlySpan<byte> bytes;
        try
        {
            // looks at whole aligned words only: a text may end right before a page that is not there
            bytes = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text);
        }
        catch (ArgumentException)
        {
            throw Wrong(name, "has no NUL within 2 GiB");
        }
        return bytes.Length <= MaxText ? bytes : throw Wrong(name, $"has {bytes.Length} bytes; at most {MaxText} are taken");
    }

    /// <summary>
    /// A key or path, which has a length and no NUL. What is not UTF-8 only local files may have: stores check their keys.
    /// </summary>
    public static string Key(byte* key, nuint length, string name)
    {
        if (key is null && length > 0)
            throw Wrong(name, "is a null pointer with a length");
        if (length > MaxKey)
            throw Wrong(name, $"has {length} bytes; at most {MaxKey} are taken, and stores allow fewer");
        var bytes = new ReadOnlySpan<byte>(key, (int)length);
        if (bytes.Contains((byte)0))
            throw Wrong(name, "holds a NUL");
        return PathText.Decode(bytes);
    }

    static string Text(ReadOnlySpan<byte> text, string name)
    {
        try
        {
            return Strict.GetString(text);
        }
        catch (DecoderFallbackException)
        {
            throw Wrong(name, "is not valid UTF-8");
        }
    }

    public static LargeMemory Memory(void* data, ulong length, string name)
    {
        if (data is null && length > 0)
            throw Wrong(name, "is a null pointer with a length");
        if (length > MaxMemory || (nuint)length > nuint.MaxValue - (nuint)data)
            throw Wrong(name, $"has the length {length}, which reaches beyond the address space");
        return new PointerMemory((byte*)data, (long)length);
    }

    /// <summary>How many elements an array of pieces has.</summary>
    public static int Count(void* pieces, nuint count, string name)
    {
        if (pieces is null && count > 0)
            throw Wrong(name, "is a null pointer with a count");
        return count <= MaxPieces ? (int)count : throw Wrong("count", $"is {count}; at most {MaxPieces} pieces are taken");
    }

    public static LargeMemory[] Segments(SegmentStruct* segments, nuint count)
    {
        var body = new LargeMemory[Count(segments, count, "segments")];
        var all = new Structs.Inputs<SegmentStruct>(segments, body.Length, "segments");
        ulong total = 0;
        for (int i = 0; i < body.Length; i++)
        {
            var segment = all[i];
            body[i] = Memory(segment.Data, segment.Length, $"segments[{i}]");
            total += segment.Length;
            if (total > MaxMemory)
                throw Wrong("segments", $"have more than {MaxMemory} bytes together");
        }
        return body;
    }

    public static void Out(void* pointer, string name)
    {
        if (pointer is null)
            throw Wrong(name, "is a null pointer; it receives the result");
    }

    public static StoreException Wrong(string name, string what) =>
        new(ErrorKind.InvalidArgument, "s3dlio call", $"argument '{name}' {what}");

    static readonly string[] KnownPut =
        ["overwrite", "if_match", "durable", "background", "barrier", "content_type", "metadata", "attributes", "tags"];

    public static PutOptions Put(string json, string uri)
    {
        var result = PutOptions.Default;
        foreach (var option in OptionReader.Read(json, uri))
            result = Put(result, option) ?? throw option.Unknown(KnownPut);
        return result;
    }

    static readonly string[] KnownSave = ["compression", "level", .. KnownPut];

    /// <summary>The put options and the level of compression of what can be compressed; null for none.</summary>
    public static (PutOptions Put, int? Level) Save(string json, string uri)
    {
        var put = PutOptions.Default;
        bool compress = false;
        int? level = null;
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == "compression")
                compress = option.AsChoice("none", "zstd") == "zstd";
            else if (option.Name == "level")
                level = (int)option.AsInteger(1, 22);
            else
                put = Put(put, option) ?? throw option.Unknown(KnownSave);
        }
        if (level is not null && !compress)
            throw Wrong("options_json", "has a 'level' without \"compression\":\"zstd\"");
        return (put, compress ? level ?? Compression.SeekableFormat.DefaultLevel : null);
    }

    /// <summary>The put options with one more applied, or null when the option is not one of theirs.</summary>
    public static PutOptions? Put(PutOptions options, NamedOption option) => option.Name switch
    {
        "overwrite" => options with { Overwrite = option.AsBool() },
        "if_match" => options with { IfMatch = option.AsText() },
        "durable" => options with { Durable = option.AsBool() },
        "background" => options with { Background = option.AsBool() },
        "barrier" => options with { Barrier = option.AsBool() },
        "content_type" => options with { ContentType = option.AsText() },
        "metadata" => options with { Metadata = option.AsTextMap() },
        "attributes" => options with { Attributes = option.AsTextMap() },
        "tags" => options with { Tags = option.AsTextMap() },
        _ => null,
    };

    public static Checksum AsChecksum(this NamedOption option) =>
        Checksum.TryParse(option.AsText(), out var checksum) ? checksum : throw option.Wrong("a checksum such as 'crc32c:1a2b3c4d'");
}
