using System.Text;
using System.Text.Json;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Datasets;

/// <summary>An array of a section file.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Type">u8, u32, u64 or i64.</param>
/// <param name="Begin">Its first byte in the file.</param>
/// <param name="Length">Bytes of it.</param>
/// <param name="Checksum">Their CRC32C.</param>
public readonly record struct Section(string Name, string Type, long Begin, long Length, Checksum Checksum);

/// <summary>A section whose bytes are not those that were written.</summary>
public readonly record struct SectionDamage(Section Section, Checksum Found);

/// <summary>Arrays behind one header in an object, read piece by piece: docs/formats.md has it to the byte.</summary>
public sealed class SectionFile : IAsyncDisposable
{
    public const int Alignment = 64, Version = 1;

    const int Front = 16, MostHeader = 64 << 20, WindowLength = 4 << 20;

    readonly ObjectReader _reader;

    SectionFile(ObjectReader reader, string uri, JsonFields fields, IReadOnlyList<Section> sections) =>
        (_reader, Uri, Fields, Sections) = (reader, uri, fields, sections);

    static ReadOnlySpan<byte> Magic => "S3DLIOST"u8;

    public string Uri { get; }

    /// <summary>Bytes of the file.</summary>
    public long Size => _reader.Meta.Size;

    /// <summary>What the header says.</summary>
    public JsonFields Fields { get; }

    public IReadOnlyList<Section> Sections { get; }

    /// <exception cref="StoreException">NotFound; InvalidData: no such file; ChecksumMismatch: its header is damaged.</exception>
    public static async ValueTask<SectionFile> OpenAsync(ObjectStore store, string key, string kind, CancellationToken cancel)
    {
        string uri = store.Root.Child(key);
        var reader = await store.OpenReadAsync(key, ReadOptions.Headed, cancel).ConfigureAwait(false);
        try
        {
            StoreException Wrong(string what) => StoreException.InvalidData(uri, $"no {kind} of s3dlio that can be read: {what}");
            long size = reader.Meta.Size;
            byte[] front = new byte[Math.Min(Front, size)];
            await reader.ReadAsync(0, front, cancel).ConfigureAwait(false);
            if (front.Length < Front || !front.AsSpan().StartsWith(Magic))
                throw Wrong($"it does not begin with {Encoding.ASCII.GetString(Magic)}");
            uint length = BitConverter.ToUInt32(front, 8);
            if (length > Math.Min(MostHeader, size - Front))
                throw Wrong($"its header has {length} bytes, the file {size}");
            byte[] text = new byte[length];
            await reader.ReadAsync(Front, text, cancel).ConfigureAwait(false);
            var expected = new Checksum(BitConverter.ToUInt32(front, 12));
            if (Checksum.Of(text) != expected)
                throw StoreException.ChecksumMismatch(
                    uri, $"the header has the checksum {Checksum.Of(text)}, {expected} is written in it: it is damaged; make it again");
            string what = $"the header of a {kind}";
            var fields = new JsonFields(
                JsonFields.Parse(text, what, ErrorKind.InvalidData, uri), what, ErrorKind.InvalidData, uri);
            long version = fields.Integer("version", 0, long.MaxValue);
            if (version != Version)
                throw Wrong($"it has version {version}, this release reads {Version}");
            if (fields.Text("kind") != kind)
                throw Wrong($"it is a {MessageText.Quote(fields.Text("kind"))}");
            return new SectionFile(reader, uri, fields, SectionsOf(fields, Front + (long)length, size, uri));
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    static List<Section> SectionsOf(JsonFields header, long data, long size, string uri)
    {
        var found = new List<Section>();
        var all = new JsonFields(
            header.Find("sections") ?? throw header.Fault("expected field 'sections', found none"), "the sections", ErrorKind.InvalidData,
            uri);
        foreach (string name in all.Names)
        {
            var one = new JsonFields(all.Find(name)!.Value, $"the section '{name}'", ErrorKind.InvalidData, uri);
            var section = new Section(
                name, one.Text("type"), data + one.Integer("offset", 0, long.MaxValue - data),
                one.Integer("length", 0, long.MaxValue), new Checksum((uint)one.Integer("crc32c", 0, uint.MaxValue)));
            if (section.Begin % Alignment != 0 || WidthOf(section.Type) is not { } width || section.Length % width != 0)
                throw one.Fault($"expected an array at a multiple of {Alignment} bytes in the section '{name}', found something else");
            if (section.Begin > size || section.Length > size - section.Begin)
                throw one.Fault($"expected the section '{name}' within the file's {size} bytes, found its end at byte "
                    + $"{(decimal)section.Begin + section.Length}: the file was cut short");
            found.Add(section);
        }
        return found;
    }

    static int? WidthOf(string type) => type switch { "u8" => 1, "u32" => 4, "u64" or "i64" => 8, _ => null };

    public Section? Find(string name)
    {
        foreach (var section in Sections)
        {
            if (section.Name == name)
                return section;
        }
        return null;
    }

    /// <summary>Fills memory with the bytes of a section from <paramref name="at"/> on.</summary>
    public ValueTask ReadAsync(Section section, long at, Memory<byte> target, CancellationToken cancel) =>
        at < 0 || target.Length > section.Length - at
            ? throw new ArgumentOutOfRangeException(nameof(at), at, $"the section has {section.Length} bytes")
            : ReadAsync(section.Begin + at, target, cancel);

    async ValueTask ReadAsync(long offset, Memory<byte> target, CancellationToken cancel)
    {
        if (target.Length > 0)
            await ParallelRead.ReadAsync(_reader, offset, LargeMemory.From(target), false, null, cancel).ConfigureAwait(false);
    }

    /// <summary>Reads every section and compares it with its checksum.</summary>
    public async ValueTask<IReadOnlyList<SectionDamage>> CheckAsync(CancellationToken cancel)
    {
        var damage = new List<SectionDamage>();
        long longest = Sections.Max(static one => (long?)one.Length) ?? 0;
        byte[] window = GC.AllocateUninitializedArray<byte>((int)Math.Min(WindowLength, longest));
        foreach (var section in Sections)
        {
            var found = Checksum.Empty;
            for (long at = 0; at < section.Length; at += WindowLength)
            {
                var part = window.AsMemory(0, (int)Math.Min(WindowLength, section.Length - at));
                await ReadAsync(section, at, part, cancel).ConfigureAwait(false);
                found = found.Append(part.Span);
            }
            if (found != section.Checksum)
                damage.Add(new SectionDamage(section, found));
        }
        return damage;
    }

    /// <summary>Writes such a file, whole or not at all.</summary>
    /// <param name="store">Where it goes.</param>
    /// <param name="key">Its key there.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="members">Writes the members of the header beyond version, kind and sections.</param>
    /// <param name="arrays">The arrays.</param>
    public static async ValueTask WriteAsync(
        ObjectStore store, string key, string kind, Action<Utf8JsonWriter> members, IReadOnlyList<SectionArray> arrays,
        CancellationToken cancel)
    {
        byte[] text = JsonText.Object(json =>
        {
            json.WriteNumber("version", Version);
            json.WriteString("kind", kind);
            members(json);
            json.WriteStartObject("sections");
            long at = 0;
            foreach (var array in arrays)
            {
                json.WriteStartObject(array.Name);
                json.WriteString("type", array.Type);
                json.WriteNumber("offset", at);
                json.WriteNumber("length", array.Length);
                json.WriteNumber("crc32c", array.Checksum.Value);
                json.WriteEndObject();
                at += array.Length + Room(array.Length);
            }
            json.WriteEndObject();
        });
        byte[] head = new byte[Front + text.Length + Room(Front + text.Length)];
        Magic.CopyTo(head);
        head.AsSpan(Front).Fill((byte)' ');
        text.CopyTo(head, Front);
        BitConverter.TryWriteBytes(head.AsSpan(8), head.Length - Front);
        BitConverter.TryWriteBytes(head.AsSpan(12), Checksum.Of(head.AsSpan(Front)).Value);
        var writer = await store.OpenWriteAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            await writer.WriteAsync(head, cancel).ConfigureAwait(false);
            foreach (var array in arrays)
            {
                foreach (var piece in array.Pieces)
                    await writer.WriteAsync(piece, cancel).ConfigureAwait(false);
                if (Room(array.Length) is > 0 and int room)
                    await writer.WriteAsync(new byte[room], cancel).ConfigureAwait(false);
            }
            await writer.CompleteAsync(cancel).ConfigureAwait(false);
        }
    }

    static int Room(long length) => (int)(-length & (Alignment - 1));

    public ValueTask DisposeAsync() => _reader.DisposeAsync();
}
