# Table, -q, -q -x

print_gpu_rows() {
    printf '| %3s  %-25.25s%8s  |   %-16.16s Off | %20s |\n' "$index" "$name" On "$bus" 0
    printf '| N/A   34C    P0             70W /  700W |       0MiB / %6sMiB |      0%%      Default |\n' "$(memory_mib "$name")"
    echo '|                                         |                        |             Disabled |'
    echo '+-----------------------------------------+------------------------+----------------------+'
}

print_table() {
    date '+%a %b %e %H:%M:%S %Y       '
    echo '+-----------------------------------------------------------------------------------------+'
    printf '| NVIDIA-SMI %-22s Driver Version: %-14s CUDA Version: %-8s |\n' "$SMI_VERSION" "$DRIVER_VERSION" "$(cuda_version)"
    # 580's table is recorded, and 550's: the two differ in two rules and in one heading.
    if [ "${SMI_VERSION%%.*}" -ge 580 ]; then corner=+; else corner='|'; fi
    cat <<EOF
$corner-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
EOF
    each_gpu print_gpu_rows
    if [ $corner = + ]; then
        echo
        pid='        PID   Type   Process name                        GPU Memory'
    else
        printf '%89s\n' ''
        pid='  PID   Type   Process name                              GPU Memory'
    fi
    cat <<EOF
+-----------------------------------------------------------------------------------------+
| Processes:                                                                              |
|  GPU   GI   CI      $pid |
|        ID   ID                                                               Usage      |
|=========================================================================================|
|  No running processes found                                                             |
+-----------------------------------------------------------------------------------------+
EOF
}

print_details() {
    cat <<EOF
GPU $bus
    Product Name                                       : $name
    Product Brand                                      : NVIDIA
    Persistence Mode                                   : Enabled
    GPU UUID                                           : $uuid
    Minor Number                                       : $minor
    VBIOS Version                                      : $vbios
    GSP Firmware Version                               : $DRIVER_VERSION
    PCI
        Bus Id                                         : $bus
    FB Memory Usage
        Total                                          : $(memory_mib "$name") MiB
        Reserved                                       : 480 MiB
        Used                                           : 0 MiB
        Free                                           : $(($(memory_mib "$name") - 480)) MiB
    Compute Mode                                       : Default
EOF
}

print_xml() {
    mib=$(memory_mib "$name")
    cat <<EOF
	<gpu id="$bus">
		<product_name>$name</product_name>
		<product_brand>NVIDIA</product_brand>
		<persistence_mode>Enabled</persistence_mode>
		<mig_mode>
			<current_mig>Disabled</current_mig>
			<pending_mig>Disabled</pending_mig>
		</mig_mode>
		<serial>0000000000000</serial>
		<uuid>$uuid</uuid>
		<minor_number>$minor</minor_number>
		<vbios_version>$vbios</vbios_version>
		<gsp_firmware_version>$DRIVER_VERSION</gsp_firmware_version>
		<pci>
			<pci_bus>$(echo "$location" | cut -d : -f 2)</pci_bus>
			<pci_domain>$(echo "$location" | cut -d : -f 1)</pci_domain>
			<pci_bus_id>$bus</pci_bus_id>
		</pci>
		<performance_state>P0</performance_state>
		<fb_memory_usage>
			<total>$mib MiB</total>
			<reserved>480 MiB</reserved>
			<used>0 MiB</used>
			<free>$((mib - 480)) MiB</free>
		</fb_memory_usage>
		<compute_mode>Default</compute_mode>
		<processes>
		</processes>
	</gpu>

EOF
}

run_details() {
    if [ "$xml" = y ]; then
        cat <<EOF
<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v$([ "${DRIVER_VERSION%%.*}" -ge 580 ] && echo 13 || echo 12).dtd">
<nvidia_smi_log>
	<timestamp>$(date '+%a %b %e %H:%M:%S %Y')</timestamp>
	<driver_version>$DRIVER_VERSION</driver_version>
	<cuda_version>$(cuda_version)</cuda_version>
	<attached_gpus>$COUNT</attached_gpus>
EOF
        each_gpu print_xml
        echo '</nvidia_smi_log>'
    else
        cat <<EOF

==============NVSMI LOG==============

Timestamp                                              : $(date '+%a %b %e %H:%M:%S %Y')
Driver Version                                         : $DRIVER_VERSION
CUDA Version                                           : $(cuda_version)

Attached GPUs                                          : $COUNT
EOF
        each_gpu print_details
        echo
    fi
}
