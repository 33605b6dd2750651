#!/usr/bin/env bash
echo --% >/dev/null;: ' | out-null
<#'
# One file for two shells: bash runs this half, PowerShell takes it for a block comment and runs the half below.
# Both only find the .NET SDK and hand over to build.cs, where the verbs are.
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
if ! dotnet --list-sdks 2>/dev/null | grep -q '^10\.'; then
    echo 'build.ps1: the .NET 10 SDK is missing: install dotnet-sdk-10.0 and put dotnet on PATH' >&2
    exit 1
fi
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
exec dotnet run --file build.cs -- "$@"
exit 1 #>
$ErrorActionPreference = 'Stop'
if (-not (Get-Command dotnet -ErrorAction SilentlyContinue) -or -not ((dotnet --list-sdks) -match '^10\.')) {
    [Console]::Error.WriteLine('build.ps1: the .NET 10 SDK is missing: install dotnet-sdk-10.0 and put dotnet on PATH')
    exit 1
}
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
Push-Location -LiteralPath $PSScriptRoot
try {
    & dotnet run --file build.cs '--' @args
} finally {
    Pop-Location
}
exit $LASTEXITCODE
