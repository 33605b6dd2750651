using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Turns what C passes into what Core takes, and refuses what cannot be right.</summary>
static unsafe class Arguments
{
    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>NUL-terminated UTF-8; null reads as empty.</summary>
    public static string Text(byte* text, string name) => text is null ? "" : Text(text, (nuint)new ReadOnlySpan<byte>(text, int.MaxValue).IndexOf((byte)0), name);

    /// <summary>UTF-8 of a given length.</summary>
    public static string Text(byte* text, nuint length, string name)
    {
        if (text is null && length > 0)
            throw Wrong(name, "is a null pointer with a length");
        if (length > int.MaxValue / 4)
            throw Wrong(name, $"has {length} bytes, far more than any such text");
        try
        {
            return Strict.GetString(text, (int)length);
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
        if (length > long.MaxValue)
            throw Wrong(name, $"has the length {length}, which cannot be");
        return new PointerMemory((byte*)data, (long)length);
    }

    public static void Out(void* pointer, string name)
    {
        if (pointer is null)
            throw Wrong(name, "is a null pointer; it receives the result");
    }

    public static StoreException Wrong(string name, string what) => new(ErrorKind.InvalidArgument, "s3dlio call", $"argument '{name}' {what}");

    static readonly string[] KnownPut = ["overwrite", "if_match", "durable", "content_type", "metadata"];

    public static PutOptions Put(string json, string uri)
    {
        var result = PutOptions.Default;
        foreach (var option in OptionReader.Read(json, uri))
            result = Put(result, option) ?? throw option.Unknown(KnownPut);
        return result;
    }

    /// <summary>The put options with one more applied, or null when the option is not one of theirs.</summary>
    public static PutOptions? Put(PutOptions options, NamedOption option) => option.Name switch
    {
        "overwrite" => options with { Overwrite = option.AsBool() },
        "if_match" => options with { IfMatch = option.AsText() },
        "durable" => options with { Durable = option.AsBool() },
        "content_type" => options with { ContentType = option.AsText() },
        "metadata" => options with { Metadata = option.AsTextMap() },
        _ => null,
    };

    public static Checksum AsChecksum(this NamedOption option) =>
        Checksum.TryParse(option.AsText(), out var checksum) ? checksum : throw option.Wrong("a checksum such as 'crc32c:1a2b3c4d'");
}
