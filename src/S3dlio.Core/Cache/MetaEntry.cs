using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// What the store said of an object, as it is kept: under which write token, when, and whether it said all that it knows.
/// </summary>
/// <param name="Meta">The object. Its key is not kept: whoever looks for it knows it.</param>
/// <param name="Token">The object's write token before the store was asked: see <see cref="WriteTokens"/>.</param>
/// <param name="Asked">When.</param>
/// <param name="IsWhole">False where the answer was to a range, with which stores leave things out.</param>
/// <param name="KnowsBlocks">The store was asked for the checksums of its blocks.</param>
sealed record MetaEntry(ObjectMeta Meta, ulong Token, DateTimeOffset Asked, bool IsWhole, bool KnowsBlocks)
{
    /// <summary>An entry with more metadata than any store takes is none of ours.</summary>
    public const int MostLength = 1 << 20;

    /// <summary>Of what was kept without asking: tokens are random, none is zero.</summary>
    public const ulong NoToken = 0;

    const int Fixed = 48;

    static ReadOnlySpan<byte> Magic => "S3DLMET1"u8;

    public byte[] Write(ReadOnlySpan<byte> identity)
    {
        var json = Json();
        var bytes = new byte[Fixed + identity.Length + json.Length + sizeof(uint)];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), bytes.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), (IsWhole ? 1 : 0) | (KnowsBlocks ? 2 : 0));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), Token);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Asked.UtcTicks);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(32), identity.Length);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(36), json.Length);
        identity.CopyTo(bytes.AsSpan(Fixed));
        json.CopyTo(bytes.AsSpan(Fixed + identity.Length));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4), Crc32C.Compute(bytes.AsSpan(0, bytes.Length - 4)));
        return bytes;
    }

    /// <summary>Of which object an entry is, for those who look through a cache. Null for what is no entry.</summary>
    public static byte[]? IdentityOf(ReadOnlySpan<byte> bytes) =>
        Check(bytes) is { } identity ? bytes.Slice(Fixed, identity).ToArray() : null;

    /// <summary>The entry of that object; null for anything else.</summary>
    public static MetaEntry? Read(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> identity, string key)
    {
        if (Check(bytes) is not { } length || !bytes.Slice(Fixed, length).SequenceEqual(identity))
            return null;
        int flags = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]);
        long asked = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]);
        int json = BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]);
        if (asked < 0 || asked > DateTime.MaxValue.Ticks)
            return null;
        try
        {
            var meta = Parse(bytes.Slice(Fixed + length, json), key);
            ulong token = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
            return new MetaEntry(meta, token, new DateTimeOffset(asked, TimeSpan.Zero), (flags & 1) != 0, (flags & 2) != 0);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or OverflowException
            or ArgumentOutOfRangeException or KeyNotFoundException)
        {
            return null;
        }
    }

    static int? Check(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < Fixed + sizeof(uint) || !bytes.StartsWith(Magic)
            || BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]) != bytes.Length
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) != Crc32C.Compute(bytes[..^4]))
            return null;
        int identity = BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]), json = BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]);
        return identity >= 0 && json >= 0 && (long)Fixed + identity + json + sizeof(uint) == bytes.Length ? identity : null;
    }

    byte[] Json()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("size", Meta.Size);
            json.WriteNumber("modified", Meta.LastModified.UtcTicks);
            if (Meta.ETag is { } tag)
                json.WriteString("etag", tag);
            if (Meta.Checksum is { } checksum)
                json.WriteString("crc32c", checksum.ToString());
            if (Meta.MayBeMislabelled)
                json.WriteBoolean("mislabelled", true);
            if (Meta.Digest is { } digest)
            {
                json.WriteNumber("digest_kind", (int)digest.Kind);
                json.WriteNumber("digest", digest.Value);
            }
            if (Meta.Blocks is { } blocks)
                json.WriteString("blocks", blocks.ToString());
            if (Meta.ContentType is { } type)
                json.WriteString("content_type", type);
            if (Meta.Permissions is { } permissions)
                json.WriteNumber("permissions", permissions);
            WritePairs(json, "metadata", Meta.Metadata);
            WritePairs(json, "attributes", Meta.Attributes);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    static void WritePairs(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> pairs)
    {
        if (pairs.Count == 0)
            return;
        json.WriteStartObject(name);
        foreach (var (key, value) in pairs)
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    static ObjectMeta Parse(ReadOnlySpan<byte> text, string key)
    {
        var reader = new Utf8JsonReader(text);
        long size = -1, modified = -1;
        string? tag = null, type = null, blocks = null;
        Checksum? checksum = null;
        bool mislabelled = false;
        int kind = -1;
        ulong digest = 0;
        uint? permissions = null;
        IReadOnlyDictionary<string, string> metadata = ObjectMeta.NoMetadata, attributes = ObjectMeta.NoMetadata;
        Next(ref reader, JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            switch (name)
            {
                case "size": size = reader.GetInt64(); break;
                case "modified": modified = reader.GetInt64(); break;
                case "etag": tag = reader.GetString(); break;
                case "crc32c": checksum = Checksum.Parse(reader.GetString()!); break;
                case "mislabelled": mislabelled = reader.GetBoolean(); break;
                case "digest_kind": kind = reader.GetInt32(); break;
                case "digest": digest = reader.GetUInt64(); break;
                case "blocks": blocks = reader.GetString(); break;
                case "content_type": type = reader.GetString(); break;
                case "permissions": permissions = reader.GetUInt32(); break;
                case "metadata": metadata = ReadPairs(ref reader); break;
                case "attributes": attributes = ReadPairs(ref reader); break;
                default: throw new JsonException();
            }
        }
        return new ObjectMeta
        {
            Key = key,
            Size = size >= 0 ? size : throw new JsonException(),
            LastModified = new DateTimeOffset(modified, TimeSpan.Zero),
            ETag = tag,
            Checksum = checksum,
            MayBeMislabelled = mislabelled,
            Digest = kind < 0 ? null : new Digest((DigestKind)kind, digest),
            Blocks = blocks is null ? null : BlockChecksums.Parse(blocks, size),
            ContentType = type,
            Permissions = permissions,
            Metadata = metadata,
            Attributes = attributes,
        };
    }

    static Dictionary<string, string> ReadPairs(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException();
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            Next(ref reader, JsonTokenType.String);
            pairs[name] = reader.GetString()!;
        }
        return pairs;
    }

    static void Next(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw new JsonException();
    }
}
