using System.Globalization;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Checkpoint;

/// <summary>
/// The name of one save of one step, shared by all its ranks and never used for another: the last part of the names of its manifest and
/// its shards, where the original has a time in seconds.
/// </summary>
public static class SaveId
{
    public const int MaxLength = 128;

    const string TimeFormat = "yyyyMMdd-HHmmss";

    /// <summary>The time, to the microsecond, and 32 random bits: two saves that begin together are two all the same.</summary>
    public static string New(DateTimeOffset now) => string.Create(
        CultureInfo.InvariantCulture,
        $"{now.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)}-{now.UtcDateTime:ffffff}"
        + $"-{(uint)Random.Shared.NextInt64():x8}");

    /// <summary>When a save of such an id began, where the id begins with a time; the original's do, too.</summary>
    public static DateTimeOffset? FindTime(string id) =>
        id.Length >= TimeFormat.Length && DateTimeOffset.TryParseExact(
            id[..TimeFormat.Length], TimeFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : null;

    /// <summary>Another id beside one that is taken.</summary>
    public static string Beside(string taken) => $"{(taken.Length > MaxLength - 9 ? taken[..(MaxLength - 9)] : taken)}-{Nonce()}";

    /// <summary>Eight random hexadecimal digits.</summary>
    public static string Nonce() => ((uint)Random.Shared.NextInt64()).ToString("x8", CultureInfo.InvariantCulture);

    public static bool IsValid(string id) =>
        id.Length is > 0 and <= MaxLength && id.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-');

    /// <exception cref="StoreException">InvalidArgument: it cannot be a part of a key.</exception>
    public static string Check(string id, string name, string uri) => IsValid(id)
        ? id
        : throw StoreException.InvalidArgument(uri,
            $"{name} must have 1 to {MaxLength} letters, digits, '.', '_' and '-', found {MessageText.Quote(id)}");
}
