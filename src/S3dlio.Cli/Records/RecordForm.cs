using S3dlio.Cli.CommandLine;
using S3dlio.Storage;

namespace S3dlio.Cli.Records;

/// <summary>How records lie one behind the other in a file.</summary>
enum RecordForm
{
    /// <summary>Each with a separator behind it, which no record holds.</summary>
    Lines,
    /// <summary>A JSON object a line: <c>text</c>, or <c>base64</c> where the bytes are no UTF-8.</summary>
    JsonLines,
    /// <summary>The bytes alone; only records of one size can be told apart again.</summary>
    Raw,
    /// <summary>Each behind its length in four bytes, little-endian.</summary>
    Prefixed,
    /// <summary>TensorFlow's: length, payload, and a masked CRC32C of each.</summary>
    TfRecord,
}

/// <summary>Names of the forms.</summary>
static class RecordForms
{
    static readonly (string Name, RecordForm Form, string[] Suffixes)[] All =
    [
        ("jsonl", RecordForm.JsonLines, [".jsonl", ".ndjson"]),
        ("lines", RecordForm.Lines, [".txt", ".log", ".csv", ".tsv"]),
        ("prefixed", RecordForm.Prefixed, []),
        ("raw", RecordForm.Raw, [".bin", ".raw"]),
        ("tfrecord", RecordForm.TfRecord, [".tfrecord", ".tfrecords"]),
    ];

    public const string Help =
        "jsonl, lines, prefixed (four bytes of length, little-endian, before each), raw (the bytes alone) or tfrecord; "
        + "by default what the name says";

    /// <summary>The form of that name, or else the one that a file's name tells; <c>.zst</c> behind it is passed over.</summary>
    public static RecordForm Parse(string? name, string file)
    {
        if (name is not null)
        {
            return Array.Find(All, known => known.Name == name) is { Name: not null } found ? found.Form
                : throw new UsageException(NearestName.Refuse("form", name, [.. All.Select(static known => known.Name)]));
        }
        string plain = file.EndsWith(".zst", StringComparison.Ordinal) ? file[..^4] : file;
        return Array.Find(All, known => known.Suffixes.Any(suffix => plain.EndsWith(suffix, StringComparison.Ordinal)))
            is { Name: not null } told ? told.Form
            : throw new UsageException($"{file}: the name does not tell the form; say it with --form "
                + string.Join(", ", All.Select(static known => known.Name)));
    }
}
