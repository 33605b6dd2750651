using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// The header of a safetensors object: a little-endian u64 N, N bytes of UTF-8 JSON, then the tensors' data without holes.
/// The rules are those of safetensors' <c>read_metadata</c> and <c>validate</c>; where JSON leaves a choice, the stricter one.
/// </summary>
public sealed class SafetensorsHeader
{
    /// <summary>The most bytes of JSON, as in safetensors.</summary>
    public const int MaxHeaderLength = 100_000_000;

    /// <summary>The most tensors in one file.</summary>
    public const int MaxTensors = 1_000_000;

    /// <summary>The most dimensions of a tensor, which is NumPy 2's and torch's limit.</summary>
    public const int MaxRank = 64;

    /// <summary>The longest name of a tensor, in bytes of UTF-8.</summary>
    public const int MaxNameLength = 65_536;

    /// <summary>Bytes of the length before the JSON, which is what <see cref="RequiredLength"/> needs.</summary>
    public const int PrefixLength = 8;

    internal const string Advice = "the object is damaged or is no safetensors file; write it again";

    SafetensorsHeader(int dataOffset, TensorEntry[] tensors, Dictionary<string, string> metadata, bool hasChecksums)
    {
        DataOffset = dataOffset;
        Tensors = tensors;
        Metadata = metadata;
        HasChecksums = hasChecksums;
    }

    /// <summary>The byte of the object at which the data begins.</summary>
    public int DataOffset { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>The user's entries of <c>__metadata__</c>, without the <c>s3dlio.</c> ones; empty if there are none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>True if the file was written with checksums: the header's has then been verified, and every tensor has one.</summary>
    public bool HasChecksums { get; }

    /// <summary>How many bytes from the object's beginning <see cref="Parse"/> needs: length and JSON.</summary>
    /// <param name="first8">The object's first 8 bytes, or all of it when it is shorter.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidData: a length beyond the object or <see cref="MaxHeaderLength"/>.
    /// Nothing has been allocated by then.</exception>
    public static int RequiredLength(ReadOnlySpan<byte> first8, long objectLength, string uri)
    {
        if (first8.Length < PrefixLength)
            throw FormatFault.Data(
                uri, $"expected the 8 bytes of a safetensors header length, found {first8.Length}; {Advice}", first8.Length);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(first8);
        if (length > MaxHeaderLength)
            throw FormatFault.Data(
                uri, $"expected a safetensors header of at most {MaxHeaderLength} bytes, found a length of {length}; {Advice}", 0);
        if (PrefixLength + (long)length > objectLength)
        {
            throw FormatFault.Data(
                uri, $"expected a safetensors header of {length} bytes, found {Math.Max(0, objectLength - PrefixLength)} behind its "
                + "length; " +
                "the object was cut short; write it again", 0);
        }
        return PrefixLength + (int)length;
    }

    /// <summary>Reads and verifies a header.</summary>
    /// <param name="head">The object's first bytes, exactly <see cref="RequiredLength"/> of them.</param>
    /// <param name="objectLength">Bytes of the whole object; the data must end there.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidData: not a safetensors file, or one with holes, overlaps or a wrong end.
    /// ChecksumMismatch: the header is not what was written.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> head, long objectLength, string uri)
    {
        int required = RequiredLength(head[..Math.Min(head.Length, PrefixLength)], objectLength, uri);
        if (head.Length != required)
            throw FormatFault.Argument(
                uri, $"expected the {required} bytes of the safetensors header, found {head.Length}; read as many as RequiredLength says");
        CheckUtf8(head[PrefixLength..], uri);

        SafetensorsJson json = SafetensorsJson.Read(head, uri);
        // an empty tensor shares its begin with its neighbour; by end, then name, the order is the same in every run
        json.Tensors.Sort(static (a, b) =>
            (a.Tensor.Begin, a.Tensor.End).CompareTo((b.Tensor.Begin, b.Tensor.End)) is var order and not 0
                ? order
                : string.CompareOrdinal(a.Tensor.Name, b.Tensor.Name));
        bool checksums = SafetensorsChecksums.Verify(head, json, uri);
        CheckPlaces(json.Tensors, required, objectLength, uri);

        var tensors = new TensorEntry[json.Tensors.Count];
        for (int i = 0; i < tensors.Length; i++)
            tensors[i] = json.Tensors[i].Tensor;
        if (checksums)
            SafetensorsChecksums.TakeOwnEntries(json.Metadata, tensors, uri);
        return new SafetensorsHeader(required, tensors, json.Metadata, checksums);
    }

    static void CheckUtf8(ReadOnlySpan<byte> json, string uri)
    {
        if (Utf8.IsValid(json))
            return;
        int at = 0;
        while (Rune.DecodeFromUtf8(json[at..], out _, out int consumed) == System.Buffers.OperationStatus.Done)
            at += consumed;
        throw FormatFault.Data(uri, $"expected UTF-8 in the safetensors header, found a malformed sequence; {Advice}", PrefixLength + at);
    }

    static void CheckPlaces(List<(TensorEntry Tensor, int HeadOffset)> tensors, int dataOffset, long objectLength, string uri)
    {
        long end = 0;
        foreach ((TensorEntry tensor, int at) in tensors)
        {
            if (tensor.Begin != end)
            {
                string fault = tensor.Begin > end ? "a hole" : "an overlap";
                throw FormatFault.Data(
                    uri, $"expected tensor {MessageText.Quote(tensor.Name)} to begin at data byte {end}, found {tensor.Begin}, {fault}; "
                    + $"{Advice}", at);
            }
            end = tensor.End;
        }
        if (end != objectLength - dataOffset)
        {
            string fault = end > objectLength - dataOffset ? "the object was cut short" : "there are bytes that belong to no tensor";
            throw FormatFault.Data(
                uri, $"expected {end} bytes of data behind the header, found {objectLength - dataOffset}: {fault}; write it again",
                objectLength);
        }
    }
}
