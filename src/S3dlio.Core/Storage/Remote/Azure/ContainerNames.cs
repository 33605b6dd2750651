namespace S3dlio.Storage.Remote.Azure;

/// <summary>The rules for containers' names.</summary>
static class ContainerNames
{
    /// <exception cref="StoreException">InvalidArgument when the service would not have a container of that name.</exception>
    public static void Check(string name, string uri)
    {
        if (name is "$root" or "$web" or "$logs" or "$blobchangefeed")
            return;
        bool good = name.Length is >= 3 and <= 63 && name[0] != '-' && name[^1] != '-' && !name.Contains("--", StringComparison.Ordinal);
        foreach (char c in name)
            good &= char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-';
        if (!good)
            throw new StoreException(ErrorKind.InvalidArgument, uri, name.Length == 0
                ? "the address names no container; write az://account/container/key"
                : $"'{name}' is no container's name: those are 3 to 63 lower-case letters, digits and single hyphens between them");
    }
}
