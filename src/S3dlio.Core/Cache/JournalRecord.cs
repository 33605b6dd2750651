using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>What a record of a journal says. The numbers are those of the files.</summary>
enum JournalKind : byte
{
    /// <summary>An object is to be written.</summary>
    Put = 1,

    /// <summary>An object is to be deleted.</summary>
    Delete = 2,

    /// <summary>The write of that stamp needs nothing more: the store has it, or a later write took its place.</summary>
    Done = 3,

    /// <summary>The write of that stamp was refused, for a reason that waiting does not mend.</summary>
    Parked = 4,

    /// <summary>The parked write of that stamp is to be tried again.</summary>
    Retry = 5,
}

/// <summary>
/// One record of a journal; docs/formats.md has its bytes. The log that holds it has its checksum.
/// </summary>
/// <param name="Kind">What it says.</param>
/// <param name="Stamp">Orders writes of all journals of a place; the lowest byte is the journal's number, so no two have the same.</param>
sealed record JournalRecord(JournalKind Kind, long Stamp)
{
    const int Fixed = 48, MostPieces = 1 << 20;
    const ushort Version = 1;
    const byte BarrierFlag = 1, SupersededFlag = 2;

    /// <summary>The object, as the innermost store calls it.</summary>
    public string Key { get; init; } = "";

    public DateTimeOffset Time { get; init; }

    public long Size { get; init; }

    public Checksum Checksum { get; init; }

    public string? ContentType { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>It goes after everything that was written before it.</summary>
    public bool IsBarrier { get; init; }

    /// <summary>Done: a later write took its place.</summary>
    public bool IsSuperseded { get; init; }

    /// <summary>Number of the file that has the payload; 0 where the record itself has it.</summary>
    public long File { get; init; }

    /// <summary>Checksums of the pieces of that file, of <see cref="PayloadFile.PieceLength"/> bytes each.</summary>
    public IReadOnlyList<uint> Pieces { get; init; } = [];

    /// <summary>Done: the ETag that the store gave. Parked: why.</summary>
    public string? Text { get; init; }

    /// <summary>Parked: the error's kind.</summary>
    public ErrorKind Error { get; init; }

    /// <summary>Where the payload begins in a record that has it.</summary>
    public int PayloadOffset { get; init; }

    public byte[] Write(ReadOnlySpan<byte> payload)
    {
        byte[] json = Json(), key = PathText.Encode(Key);
        var bytes = new byte[Fixed + json.Length + key.Length + (Pieces.Count * sizeof(uint)) + payload.Length];
        bytes[0] = (byte)Kind;
        bytes[1] = (byte)((IsBarrier ? BarrierFlag : 0) | (IsSuperseded ? SupersededFlag : 0));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), Version);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), json.Length);
        Stamped(bytes, Stamp);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), Time.UtcTicks);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), Size);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), Checksum.Value);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(36), key.Length);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), File);
        var rest = bytes.AsSpan(Fixed);
        json.CopyTo(rest);
        key.CopyTo(rest[json.Length..]);
        rest = rest[(json.Length + key.Length)..];
        foreach (uint piece in Pieces)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, piece);
            rest = rest[sizeof(uint)..];
        }
        payload.CopyTo(rest);
        return bytes;
    }

    /// <summary>Puts another stamp into a record that was written: it is known when the record's turn comes.</summary>
    public static void Stamped(Span<byte> bytes, long stamp) => BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], stamp);

    /// <summary>The record, with all but its payload.</summary>
    /// <exception cref="StoreException">InvalidData: of a newer version, or no such record.</exception>
    public static JournalRecord Read(ReadOnlySpan<byte> bytes, string journal)
    {
        if (bytes.Length < Fixed)
            throw Wrong(journal, $"it has {bytes.Length} bytes");
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]) is var version && version != Version)
            throw Wrong(journal, $"it is of version {version}, and this library reads version {Version}");
        int json = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]), key = BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]);
        long size = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]), file = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]);
        long ticks = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]);
        long pieces = file == 0 ? 0 : PayloadFile.PiecesOf(size);
        var kind = (JournalKind)bytes[0];
        if (kind is < JournalKind.Put or > JournalKind.Retry || json < 0 || key < 0 || size < 0 || file < 0 || pieces > MostPieces
            || ticks < 0 || ticks > DateTime.MaxValue.Ticks
            || (long)Fixed + json + key + (pieces * sizeof(uint)) + (kind == JournalKind.Put && file == 0 ? size : 0) != bytes.Length)
            throw Wrong(journal, "its fields do not fit its length");
        int begin = Fixed + json + key;
        var checksums = new uint[pieces];
        for (int i = 0; i < checksums.Length; i++)
            checksums[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(begin + (i * sizeof(uint)))..]);
        var read = new JournalRecord(kind, BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]))
        {
            Key = PathText.Decode(bytes.Slice(Fixed + json, key)),
            Time = new DateTimeOffset(ticks, TimeSpan.Zero),
            Size = size,
            Checksum = new Checksum(BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..])),
            IsBarrier = (bytes[1] & BarrierFlag) != 0,
            IsSuperseded = (bytes[1] & SupersededFlag) != 0,
            File = file,
            Pieces = checksums,
            PayloadOffset = begin,
        };
        return json == 0 ? read : read.With(bytes.Slice(Fixed, json), journal);
    }

    /// <summary>The payload in a record that was read, compared with its checksum.</summary>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public ReadOnlyMemory<byte> PayloadOf(byte[] bytes, string journal)
    {
        var payload = bytes.AsMemory(Read(bytes, journal).PayloadOffset);
        return payload.Length == Size && Checksum.Of(payload.Span) == Checksum ? payload
            : throw new StoreException(ErrorKind.ChecksumMismatch, journal,
                $"the journal's copy of '{Key}' is damaged: {payload.Length} bytes with {Checksum.Of(payload.Span)} are there,"
                + $" {Size} with {Checksum} were written");
    }

    /// <summary>Whether the store gets the same by it.</summary>
    public bool IsSameWrite(JournalRecord other) => (Kind, Key, Size, Checksum, File, IsBarrier) ==
        (other.Kind, other.Key, other.Size, other.Checksum, other.File, other.IsBarrier);

    byte[] Json()
    {
        if (ContentType is null && Metadata is null && Text is null && Error == 0)
            return [];
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (ContentType is { } type)
                json.WriteString("content_type", type);
            if (Text is { } text)
                json.WriteString("text", text);
            if (Error != 0)
                json.WriteNumber("error", (int)Error);
            if (Metadata is { } pairs)
            {
                json.WriteStartObject("metadata");
                foreach (var (name, value) in pairs)
                    json.WriteString(name, value);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    JournalRecord With(ReadOnlySpan<byte> json, string journal)
    {
        try
        {
            using var document = JsonDocument.Parse(json.ToArray());
            var root = document.RootElement;
            Dictionary<string, string>? metadata = null;
            if (root.TryGetProperty("metadata", out var pairs))
            {
                metadata = new(StringComparer.Ordinal);
                foreach (var pair in pairs.EnumerateObject())
                    metadata[pair.Name] = pair.Value.GetString()!;
            }
            return this with
            {
                ContentType = root.TryGetProperty("content_type", out var type) ? type.GetString() : null,
                Text = root.TryGetProperty("text", out var text) ? text.GetString() : null,
                Error = root.TryGetProperty("error", out var error) ? (ErrorKind)error.GetInt32() : 0,
                Metadata = metadata,
            };
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw Wrong(journal, error.Message);
        }
    }

    static StoreException Wrong(string journal, string what) => new(ErrorKind.InvalidData, journal,
        string.Create(CultureInfo.InvariantCulture, $"a record of the journal cannot be read: {what}. Nothing was changed"));
}
