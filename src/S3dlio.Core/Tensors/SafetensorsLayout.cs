using System.Buffers.Binary;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// The plan of a safetensors object: where every tensor goes and how long the head is. It is complete before any data is read,
/// so data can be hashed on its way out and the head written last, or sent as the first part when all checksums are known.
/// </summary>
public sealed class SafetensorsLayout
{
    readonly byte[] template;
    readonly int[] checksumOffsets;
    readonly int headerChecksumOffset;
    readonly string uri;

    SafetensorsLayout(
        byte[] template, TensorEntry[] tensors, int[] sources, long dataLength, int[] checksumOffsets, int headerChecksumOffset, string uri)
    {
        this.template = template;
        this.checksumOffsets = checksumOffsets;
        this.headerChecksumOffset = headerChecksumOffset;
        this.uri = uri;
        Tensors = tensors;
        Sources = sources;
        DataLength = dataLength;
    }

    /// <summary>The tensors in the order of their data: by dtype downwards, then by name in the order of UTF-8 bytes,
    /// as safetensors' <c>prepare</c> sorts them.</summary>
    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>For each of <see cref="Tensors"/>, its index among the tensors given to <see cref="Create"/>.</summary>
    public IReadOnlyList<int> Sources { get; }

    /// <summary>Bytes before the data: 8 and the JSON, a multiple of 8.</summary>
    public int HeadLength => template.Length;

    /// <summary>Bytes of all tensors.</summary>
    public long DataLength { get; }

    /// <summary>Bytes of the whole object.</summary>
    public long ObjectLength => HeadLength + DataLength;

    /// <summary>True if <see cref="BuildHead"/> needs the tensors' checksums.</summary>
    public bool HasChecksums => headerChecksumOffset >= 0;

    /// <summary>Plans an object.</summary>
    /// <param name="tensors">What is to be written, in any order.</param>
    /// <param name="metadata">The user's <c>__metadata__</c>; null for none. Keys that begin with <c>s3dlio.</c> are refused.</param>
    /// <param name="checksums">Whether to add our checksums to <c>__metadata__</c>. Without them the head is byte for byte the one
    /// that safetensors writes (which leaves the order of several metadata keys to chance; here it is that of UTF-8 bytes).</param>
    /// <param name="uri">The name of the object to be written, for errors.</param>
    /// <exception cref="StoreException">InvalidArgument: names, shapes, metadata or sizes that no safetensors file can hold.</exception>
    public static SafetensorsLayout Create(
        IReadOnlyList<TensorSpec> tensors, IReadOnlyDictionary<string, string>? metadata, bool checksums, string uri)
    {
        if (tensors.Count > SafetensorsHeader.MaxTensors)
            throw FormatFault.Argument(
                uri, $"expected at most {SafetensorsHeader.MaxTensors} tensors, found {tensors.Count}; write several files");
        int[] sources = Sort(tensors, uri, out byte[][] names);
        var placed = new TensorEntry[sources.Length];
        long end = 0;
        for (int i = 0; i < placed.Length; i++)
        {
            placed[i] = Place(tensors[sources[i]], end, uri);
            end = placed[i].End;
        }

        var json = new SafetensorsText(uri);
        int[] checksumOffsets = checksums ? new int[placed.Length] : [];
        int headerChecksumOffset = -1;
        json.Raw("{"u8);
        if (metadata is not null || checksums)
        {
            json.Raw("\"__metadata__\":{"u8);
            bool first = true;
            foreach (MetadataLine line in SortMetadata(metadata, checksums ? names : null, uri))
            {
                if (!first)
                    json.Raw(","u8);
                first = false;
                json.Quoted(line.Key);
                json.Raw(":"u8);
                if (line.Tensor >= 0)
                    checksumOffsets[line.Tensor] = json.Length + 1;
                else if (line.Tensor == MetadataLine.Header)
                    headerChecksumOffset = json.Length + 1;
                json.Quoted(line.Value);
            }
            json.Raw(placed.Length > 0 ? "},"u8 : "}"u8);
        }
        for (int i = 0; i < placed.Length; i++)
        {
            if (i > 0)
                json.Raw(","u8);
            json.Tensor(names[i], placed[i]);
        }
        json.Raw("}"u8);
        byte[] template = json.Finish();
        BinaryPrimitives.WriteInt64LittleEndian(template, template.Length - SafetensorsHeader.PrefixLength);
        return new SafetensorsLayout(template, placed, sources, end, checksumOffsets, headerChecksumOffset, uri);
    }

    /// <summary>The head's bytes: the length and the JSON with all checksums in it.</summary>
    /// <param name="checksums">CRC32C of each tensor's bytes in the order of <see cref="Tensors"/>; empty if the layout has none.</param>
    /// <exception cref="StoreException">InvalidArgument: not one checksum for each tensor.</exception>
    public byte[] BuildHead(ReadOnlySpan<Checksum> checksums)
    {
        if (checksums.Length != checksumOffsets.Length)
            throw FormatFault.Argument(
                uri, $"expected {checksumOffsets.Length} checksums, one for each tensor if the layout has them, found {checksums.Length}");
        byte[] head = template.AsSpan().ToArray();
        if (!HasChecksums)
            return head;
        for (int i = 0; i < checksums.Length; i++)
            SafetensorsChecksums.Put(head, checksumOffsets[i], checksums[i]);
        SafetensorsChecksums.Put(head, headerChecksumOffset, SafetensorsChecksums.OfHead(head, headerChecksumOffset));
        return head;
    }

    static int[] Sort(IReadOnlyList<TensorSpec> tensors, string uri, out byte[][] sortedNames)
    {
        var names = new byte[tensors.Count][];
        var unique = new HashSet<string>(tensors.Count, StringComparer.Ordinal);
        for (int i = 0; i < names.Length; i++)
        {
            string name = tensors[i].Name;
            names[i] = SafetensorsText.Encode(name, "the name of a tensor", uri);
            if (name == SafetensorsJson.MetadataKey)
                throw FormatFault.Argument(
                    uri, "expected a tensor's name, found __metadata__, which the format keeps for itself; rename the tensor");
            if (names[i].Length > SafetensorsHeader.MaxNameLength)
                throw FormatFault.Argument(
                    uri, $"expected names of at most {SafetensorsHeader.MaxNameLength} bytes, found {MessageText.Quote(name)} of "
                    + $"{names[i].Length}");
            if (!unique.Add(name))
                throw FormatFault.Argument(
                    uri, $"expected each name once, found {MessageText.Quote(name)} again; rename one of the tensors");
        }
        int[] order = new int[names.Length];
        for (int i = 0; i < order.Length; i++)
            order[i] = i;
        Array.Sort(order, (a, b) => tensors[a].DType != tensors[b].DType
            ? tensors[b].DType.CompareTo(tensors[a].DType)
            : names[a].AsSpan().SequenceCompareTo(names[b]));
        sortedNames = Array.ConvertAll(order, i => names[i]);
        return order;
    }

    static TensorEntry Place(TensorSpec tensor, long begin, string uri)
    {
        string quoted = MessageText.Quote(tensor.Name);
        if (!Enum.IsDefined(tensor.DType))
            throw FormatFault.Argument(uri, $"expected a known dtype for tensor {quoted}, found {(int)tensor.DType}");
        if (tensor.Shape.Count > SafetensorsHeader.MaxRank)
            throw FormatFault.Argument(
                uri, $"expected at most {SafetensorsHeader.MaxRank} dimensions of tensor {quoted}, found {tensor.Shape.Count}; reshape it");
        long[] shape = tensor.Shape.ToArray();
        if (tensor.DType.TryByteLength(shape, out long bytes) is string problem)
            throw FormatFault.Argument(uri, $"tensor {quoted}: {problem}");
        if (bytes > long.MaxValue - SafetensorsHeader.MaxHeaderLength - SafetensorsHeader.PrefixLength - begin)
            throw FormatFault.Argument(uri, $"expected fewer than 2^63 bytes in all, found more with tensor {quoted}; write several files");
        return new TensorEntry(tensor.Name, tensor.DType, shape, begin, begin + bytes);
    }

    static MetadataLine[] SortMetadata(IReadOnlyDictionary<string, string>? metadata, byte[][]? checksummed, string uri)
    {
        var lines = new List<MetadataLine>();
        foreach ((string key, string value) in metadata ?? new Dictionary<string, string>())
        {
            if (key.StartsWith(SafetensorsChecksums.Prefix, StringComparison.Ordinal))
                throw FormatFault.Argument(
                    uri, $"expected metadata keys of the user's own, found {MessageText.Quote(key)}; s3dlio keeps those with "
                    + $"{SafetensorsChecksums.Prefix} for itself; rename it");
            lines.Add(new MetadataLine(
                SafetensorsText.Encode(key, "a metadata key", uri), SafetensorsText.Encode(value, "a metadata value", uri),
                MetadataLine.Plain));
        }
        if (checksummed is not null)
        {
            byte[] unknown = Encoding.ASCII.GetBytes(SafetensorsChecksums.Unknown);
            byte[] prefix = Encoding.ASCII.GetBytes(SafetensorsChecksums.TensorKeyPrefix);
            lines.Add(new MetadataLine(
                    Encoding.ASCII.GetBytes(SafetensorsChecksums.FormatKey), Encoding.ASCII.GetBytes(SafetensorsChecksums.Format),
                    MetadataLine.Plain));
            lines.Add(new MetadataLine(Encoding.ASCII.GetBytes(SafetensorsChecksums.HeaderKey), unknown, MetadataLine.Header));
            for (int i = 0; i < checksummed.Length; i++)
                lines.Add(new MetadataLine([.. prefix, .. checksummed[i]], unknown, i));
        }
        MetadataLine[] sorted = lines.ToArray();
        Array.Sort(sorted, static (a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        return sorted;
    }

    /// <summary>One entry of <c>__metadata__</c>; Tensor is the index of the tensor whose checksum it holds.</summary>
    readonly record struct MetadataLine(byte[] Key, byte[] Value, int Tensor)
    {
        internal const int Plain = -1;
        internal const int Header = -2;
    }
}
